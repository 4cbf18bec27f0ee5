"""Compressed files: read by what they hold, written by their name."""

import bz2
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
# What a file begins with.
_BEGINNINGS = {
    "gzip": (b"\x1f\x8b",),
    "xz": (b"\xfd7zXZ\x00",),
    "zstd": (b"\x28\xb5\x2f\xfd",),
    "bzip2": tuple(
        b"BZh%d%s" % (level, block)
        for level in range(1, 10)
        for block in (b"1AY&SY", b"\x17rE8P\x90")  # what follows, also in an empty one
    ),
    "zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    "rar": (b"Rar!\x1a\x07",),
}
# Of archives, which hold any number of files, the command that pipes one out.
_ARCHIVES = {
    "zip": "unzip -p FILE",
    "7z": "7z e -so FILE",
    "rar": "unrar p -inul FILE",
    "tar": "tar -xOf FILE",
}
_TAR, _TAR_PLACE = b"ustar", 257
SUFFIXES = (".gz", ".bz2", ".xz", ".zst")


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
    if suffix == ".bz2":
        return bz2.BZ2File(file, "wb")
    if suffix == ".xz":
        return lzma.LZMAFile(file, "wb")
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return file


def decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Yield what a file holds, decompressed where its first bytes say so.

    Raises:
        OSError: while iterating, if compressed data are damaged or end too soon, or
            the file is an archive.
    """
    # What has come already, without waiting for a pipe to fill the chunk.
    read = getattr(file, "read1", file.read)
    first = _beginning(lambda: read(_CHUNK))
    names = (name for name, begin in _BEGINNINGS.items() if first.startswith(begin))
    name = next(names, "")
    chunks = itertools.chain([first], iter(lambda: read(_CHUNK), b""))
    unpacked = _streams(chunks, _decompressor(name), name) if name else chunks
    return _without_archives(unpacked)


def _decompressor(name: str) -> Callable[[], Any]:
    if name in _ARCHIVES:
        raise _is_archive(name)
    if name == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj
    known: dict[str, Callable[[], Any]] = {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "bzip2": bz2.BZ2Decompressor,
        "xz": lzma.LZMADecompressor,
    }
    return known[name]


def _without_archives(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun = b""
    for chunk in chunks:
        if len(begun) < _TAR_PLACE + len(_TAR):
            begun += chunk
            if begun.startswith(_TAR, _TAR_PLACE):
                raise _is_archive("tar")
        yield chunk


def _is_archive(name: str) -> OSError:
    return OSError(
        f"it is a {name} archive: expected a file, such as <({_ARCHIVES[name]})"
    )


def _beginning(read: Callable[[], bytes]) -> bytes:
    """Return as much as tells whether a file is packed, and what came with it."""
    begun = b""
    beginnings = [one for some in _BEGINNINGS.values() for one in some]
    while any(one.startswith(begun) for one in beginnings):
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
