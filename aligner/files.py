"""Writing files whole: beside first, then renamed into place.

Who writes holds a lock on the file beside, which the system lets go when the process
ends, however it ends. So what a killed run left behind can be told from what another
one is still writing, whatever its number. As some file systems keep locks to one
machine, only files of the same host's are cleared.
"""

import errno
import os
import platform
import re
import secrets
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# In the names of files beside.
HOST = f"{zlib.crc32(platform.node().encode()):08x}"
_BESIDE = re.compile(rf"\.(?P<name>.+)\.{HOST}[0-9a-f]{{8}}\.part", re.DOTALL)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it takes `path`'s place.

    On any failure nothing remains of it, and what stood at `path` still stands. A
    link is followed; a device or a pipe is written to as it is.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    if path.is_dir():
        raise OSError(errno.EISDIR, "expected a file, got a directory", str(path))
    with _named(path):
        if path.exists() and not path.is_file():
            yield path
            return
        target = Path(os.path.realpath(path))
        with written_beside(target) as beside:
            yield beside
            os.replace(beside, target)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors name a path, not the file beside it, or none."""
    try:
        yield
    except OSError as error:
        name = error.filename
        if name is None or _BESIDE.fullmatch(os.path.basename(str(name))):
            # Of writing to an open file, the error knows no name; and nobody but us
            # knows the file beside.
            reason = error.strerror or str(error)
            raise OSError(error.errno, reason, str(path)) from error
        raise


@contextmanager
def written_beside(target: Path) -> Iterator[Path]:
    """Yield a new, locked file beside another one, which is gone afterwards.

    What dead runs left of the same target is removed first.

    Raises:
        OSError: it cannot be written; the error names the target.
    """
    with _named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(target.parent, target.name)
        beside, descriptor = _beside(target), None
        try:  # from here on: it may be interrupted anywhere
            while (descriptor := _created(beside)) is None:
                beside = _beside(target)
            if sys.platform == "win32":  # an open file could not be renamed there
                os.close(descriptor)
            yield beside
        finally:
            beside.unlink(missing_ok=True)
            if sys.platform != "win32" and descriptor is not None:
                os.close(descriptor)


def _beside(target: Path) -> Path:
    """Return a path beside another one that nobody else has."""
    return target.with_name(f".{target.name}.{HOST}{secrets.token_hex(4)}.part")


def _created(beside: Path) -> int | None:
    """Return what holds a new file's lock; None where who clears has come between."""
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    if _locked(descriptor) is not False and beside.exists():
        return descriptor
    os.close(descriptor)
    return None


def write_whole(path: Path, content: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8", newline="\n")


def clear_leftovers(directory: Path, name: str | None = None) -> None:
    """Remove what killed runs left beside files that they were writing.

    Args:
        directory: where the files are.
        name: the file that was to be written; by default any.
    """
    for part in directory.glob(".*.part"):
        match = _BESIDE.fullmatch(part.name)
        if match and name in (None, match["name"]):
            _clear_if_dead(part)


def _clear_if_dead(part: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDWR)
        try:
            if _locked(descriptor):
                part.unlink()
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool | None:
    """Lock an open file; False if another process has, None if nobody can here."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True
