"""Large arrays on a scratch disk, in files without a name, mapped into memory.

What grows with the text lies here: the system keeps in memory what is in use. The files
are gone with the process, however that ends.
"""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK = 1 << 16  # numbers that are handled at once
IN_MEMORY = 1 << 20  # bytes; smaller arrays need no file


_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def scratch_disk(folder: Path) -> Iterator[None]:
    """Let arrays lie on the disk of a folder meanwhile, not on the system's own."""
    before = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(before)


class GrowingArray:
    """An array that grows at its end."""

    def __init__(self, dtype: DTypeLike) -> None:
        """Begin an empty array on the scratch disk.

        Of all methods, those that write raise an OSError that names the folder.
        """
        self._dtype = np.dtype(dtype)
        self._folder = _folder.get() or Path(tempfile.gettempdir())
        self._pending = bytearray()
        self._file: IO[bytes] | None = None

    def __del__(self) -> None:
        """Close what was never finished."""
        if self._file:
            with suppress(OSError):
                self._file.close()

    def append(self, values: NDArray[Any]) -> None:
        """Add numbers at the end."""
        self._pending += values.astype(self._dtype, copy=False).tobytes()
        if len(self._pending) >= IN_MEMORY:
            self._write()

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            self._file.write(self._pending)
            self._file.flush()
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, reason, str(self._folder)) from error
        self._pending.clear()

    def finish(self, *, writable: bool = False) -> NDArray[Any]:
        """Return the whole array; nothing can be added any more."""
        if self._file is None:
            array = np.frombuffer(self._pending, self._dtype)
            array.flags.writeable = writable
            return array
        self._write()
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        mapping = mmap.mmap(self._file.fileno(), 0, access=access)
        self._file.close()  # the mapping keeps it
        return np.frombuffer(mapping, self._dtype)


def mapped_full(size: int, filler: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of one number, to be written over.

    Raises:
        OSError: the disk is full: all its room is taken at once.
    """
    values = GrowingArray(dtype)
    for first in range(0, size, BLOCK):
        values.append(np.full(min(BLOCK, size - first), filler, dtype))
    return values.finish(writable=True)


def forgotten(values: NDArray[Any]) -> None:
    """Give back the memory that a part of a mapped array has, until it is next used.

    What was written is kept on disk. Systems that cannot do this do it when memory is
    short.
    """
    owner: object = values
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if not isinstance(owner, mmap.mmap) or not hasattr(owner, "madvise"):
        return
    first = values.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    begin = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
    if begin < first + values.nbytes:
        owner.madvise(mmap.MADV_DONTNEED, begin, first + values.nbytes - begin)


def mapped_range(size: int) -> NDArray[np.int64]:
    """Return 0, 1, 2 and so on, to be written over."""
    numbers = GrowingArray(np.int64)
    for first in range(0, size, BLOCK):
        numbers.append(np.arange(first, min(first + BLOCK, size)))
    return numbers.finish(writable=True)


def blocks(values: NDArray[Any], size: int = BLOCK) -> Iterator[NDArray[Any]]:
    """Yield an array part by part."""
    for first in range(0, len(values), size):
        yield values[first : first + size]


def taken(values: NDArray[Any], indices: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values at some indices."""
    chosen = GrowingArray(values.dtype)
    for block in blocks(indices):
        chosen.append(values[block])
    return chosen.finish()


def places_of_false(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where an array is False, ascending."""
    places, first = GrowingArray(np.int64), 0
    for block in blocks(marks):
        places.append(np.flatnonzero(~block) + first)
        first += len(block)
    return places.finish()
