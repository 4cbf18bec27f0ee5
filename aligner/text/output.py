"""Writing files whole: beside first, then renamed into place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it takes `path`'s place.

    On any failure nothing remains of it, and what stood at `path` still stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, content: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(content, encoding="utf-8", newline="\n")
