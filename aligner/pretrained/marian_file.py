"""Read the files of Marian: named arrays, and the options that a model was made with.

`.npz` is numpy's own. `.bin` is Marian's, little-endian: a version and a count, for
each array a header of four numbers (bytes of its name, type, dimensions, bytes of its
data), then all names, all shapes, and from an aligned place on all data. Arrays are
float32, or 8-bit as `marian-conv --gemm-type intgemm8` writes them: whole numbers, and
after them the number that the weights were multiplied by.
"""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aligner.errors import ConfigError, ModelError

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

OPTIONS = "special:model.yml"
VERSION = 1
FLOAT32, INT8, INTGEMM8 = 0x404, 0x101, 0x4101
MOST_ARRAYS, MOST_DIMENSIONS = 100_000, 8
EMBEDDINGS = "Wemb"  # how names of tables end whose rows are words: not transposed


class MarianFile(NamedTuple):
    """What a file of Marian holds.

    Attributes:
        arrays: by name; matrices are (input, output), embeddings (words, dimension).
        options: what the model was trained with, by Marian's names.
    """

    arrays: dict[str, Floats]
    options: dict[str, Any]


def read_marian(path: Path) -> MarianFile:
    """Read a model that Marian has written, by its name's end, `.npz` or `.bin`.

    Raises:
        ConfigError: `yaml` is not installed.
        ModelError: the file is damaged, of another version, or of a type of numbers
            that is not read here.
    """
    try:
        arrays = _read_npz(path) if path.suffix == ".npz" else _read_bin(path)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    if OPTIONS not in arrays:
        raise ModelError(f"{path}: expected a model of Marian, got no {OPTIONS} in it")
    text = arrays.pop(OPTIONS).astype(np.uint8).tobytes().rstrip(b"\0")
    options = parse_yaml(text.decode("utf-8", "replace"), f"{path}, {OPTIONS}")
    return MarianFile(
        {name: array.astype(np.float32) for name, array in arrays.items()}, options
    )


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Return the keys and values of a YAML text.

    Raises:
        ConfigError: `yaml` is not installed.
        ModelError: it is no such text.
    """
    try:
        import yaml
    except ImportError as error:
        raise ConfigError(
            "models of Marian need PyYAML: expected it installed, by "
            "pip install '.[pretrained]' where aligner's source is"
        ) from error
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ModelError(f"{where}: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{where}: expected keys and values, got {found!r:.40}")
    return found


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: not a whole npz file: {error}") from error


def _read_bin(path: Path) -> dict[str, NDArray[Any]]:
    reader = _Reader(path)
    version, count = reader.numbers(2)
    if version != VERSION:
        raise ModelError(
            f"{path}: expected a .bin of Marian in version {VERSION}, got {version}"
        )
    if count > MOST_ARRAYS:
        raise ModelError(f"{path}: not a whole .bin of Marian: {count} arrays")
    headers = [reader.numbers(4) for _ in range(count)]
    names = [
        reader.take(length).tobytes().rstrip(b"\0").decode("utf-8", "replace")
        for length, *_ in headers
    ]
    shapes = [reader.shape(header[2]) for header in headers]
    [to_alignment] = reader.numbers(1)
    reader.take(to_alignment)
    arrays = {}
    for name, shape, (_, kind, _, size) in zip(names, shapes, headers, strict=True):
        arrays[name] = _array(f"{path}: {name}", name, reader.take(size), kind, shape)
    return arrays


class _Reader:
    """The bytes of a file, taken one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes: Bytes = np.fromfile(path, np.uint8)
        self.place = 0

    def take(self, size: int) -> Bytes:
        """Return the next bytes, or refuse the file."""
        if size > len(self.bytes) - self.place:
            raise ModelError(
                f"{self.path}: not a whole .bin of Marian: expected {size} more bytes "
                f"at {self.place}, got {len(self.bytes) - self.place}"
            )
        self.place += size
        return self.bytes[self.place - size : self.place]

    def numbers(self, count: int) -> list[int]:
        """Return the next unsigned numbers of 64 bits."""
        found: list[int] = self.take(8 * count).copy().view("<u8").tolist()
        return found

    def shape(self, dimensions: int) -> list[int]:
        """Return the next shape."""
        if dimensions > MOST_DIMENSIONS:
            raise ModelError(
                f"{self.path}: not a whole .bin of Marian: {dimensions} dimensions"
            )
        found: list[int] = self.take(4 * dimensions).copy().view("<i4").tolist()
        return found


def _array(
    where: str, name: str, data: Bytes, kind: int, shape: list[int]
) -> NDArray[Any]:
    """Return an array of its bytes, behind which more may follow as padding."""
    cells = int(np.prod(shape))
    size = {FLOAT32: 4 * cells, INT8: cells, INTGEMM8: cells + 4}.get(kind)
    if size is None:
        raise ModelError(
            f"{where}: expected numbers of type float32 or intgemm8 (8-bit, as Firefox "
            f"has them), got type {kind:#x}"
        )
    if min(shape, default=0) < 0 or len(data) < size:
        raise ModelError(f"{where}: expected {size} bytes, got {len(data)}")
    if kind == FLOAT32:
        return data[:size].copy().view("<f4").reshape(shape)
    whole = data[:cells].view(np.int8)
    if kind == INT8:
        return whole.reshape(shape)
    [multiplier] = data[cells:size].copy().view("<f4")
    # Matrices are stored by columns, as they are multiplied.
    by_rows = name.endswith(EMBEDDINGS)
    matrix = whole.reshape(shape) if by_rows else whole.reshape(shape[::-1]).T
    return matrix / np.float32(multiplier)
