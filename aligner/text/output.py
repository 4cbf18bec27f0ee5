"""Writing files whole: beside first, then renamed into place."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    if path.exists() and not path.is_file():
        target = beside = path
    else:
        target = Path(os.path.realpath(path))
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        if beside != target:
            os.replace(beside, target)
    except OSError as error:
        if error.filename in (None, str(beside)):
            # Of writing to an open file, the error knows no name; and nobody but us
            # knows the file beside.
            raise OSError(
                error.errno, error.strerror or str(error), str(path)
            ) from error
        raise
    finally:
        if beside != target:
            beside.unlink(missing_ok=True)


def write_whole(path: Path, content: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8", newline="\n")


def clear_leftovers(directory: Path) -> None:
    """Remove what a killed process left beside the files that it was writing."""
    for part in directory.glob(".*.part"):
        part.unlink(missing_ok=True)
