"""Compressed files: read by what they hold, written by their name."""

import gzip
import io
import itertools
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

_CHUNK = 1 << 16  # bytes
_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
SUFFIXES = (".gz", ".xz", ".zst")


@contextmanager
def open_to_write(path: Path, name: Path) -> Iterator[TextIO]:
    """Open a file for text that is compressed as the ending of its final name says."""
    with (
        path.open("wb") as file,
        _compressor(file, name.suffix) as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="\n") as text,
    ):
        yield text


def _compressor(file: BinaryIO, suffix: str) -> Any:
    if suffix == ".gz":
        # Without name and time, so that the same text makes the same file.
        return gzip.GzipFile("", "wb", 6, file, mtime=0)
    if suffix == ".xz":
        return lzma.LZMAFile(file, "wb")
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return file


def decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield what a file holds, decompressed where its first bytes say so.

    Raises:
        OSError: while iterating, if compressed data are damaged or end too soon.
    """
    # What has come already, without waiting for a pipe to fill the chunk.
    read = getattr(file, "read1", file.read)
    first = _beginning(lambda: read(_CHUNK))
    chunks = itertools.chain([first], iter(lambda: read(_CHUNK), b""))
    if first.startswith(_GZIP):
        return _streams(chunks, lambda: zlib.decompressobj(wbits=31), "gzip")
    if first.startswith(_XZ):
        import lzma

        return _streams(chunks, lzma.LZMADecompressor, "xz")
    if first.startswith(_ZSTD):
        import zstandard

        context = zstandard.ZstdDecompressor()
        return _streams(chunks, context.decompressobj, "zstd")
    return chunks


def _beginning(read: Callable[[], bytes]) -> bytes:
    """Return as much as tells whether a file is packed, and what came with it."""
    begun = b""
    while any(magic.startswith(begun) for magic in (_GZIP, _XZ, _ZSTD)):
        more = read()
        if not more:
            break
        begun += more
    return begun


def _streams(
    chunks: Iterable[bytes], decompressor: Callable[[], Any], name: str
) -> Iterator[bytes]:
    """Decompress a file of one or more concatenated streams."""
    current: Any = None
    for chunk in chunks:
        while chunk:
            if current is None:
                chunk = chunk.lstrip(b"\0")  # padding between streams
                if not chunk:
                    break
                current = decompressor()
            try:
                data = current.decompress(chunk)
            except Exception as error:  # each library has its own class
                raise OSError(f"damaged {name} data ({error})") from None
            yield data
            if not current.eof:
                break
            chunk, current = current.unused_data, None
    if current is not None:
        raise OSError(f"truncated {name} data")
