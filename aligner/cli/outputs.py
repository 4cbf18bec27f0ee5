"""Where a command writes: stdout, or files that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from aligner.errors import ConfigError
from aligner.files import replacing
from aligner.packed import SUFFIXES, open_to_write

if TYPE_CHECKING:
    from aligner.cli.shards import Shard

STDOUT = Path("-")


def numbered_path(path: Path, shard: "Shard") -> Path:
    """Return where a share of an output goes: the shares' names sort as they follow.

    Share 2 of 10 of F.gz is F.02.gz.
    """
    packed = path.suffix if path.suffix in SUFFIXES else ""
    number = str(shard.number).zfill(len(str(shard.of)))
    return Path(f"{str(path).removesuffix(packed)}.{number}{packed}")


def output_paths(out: Path | None, with_words: bool) -> list[Path]:
    """Return where the alignments go and, if asked for, either side's words.

    Raises:
        ConfigError: words are asked for, but there is no file to write them beside.
    """
    if out in (None, STDOUT) and with_words:
        raise ConfigError(
            "raw text: expected --out, to write the words beside it, or --format jsonl"
        )
    if out is None or out == STDOUT:
        return []
    if not with_words:
        return [out]
    # OUT.align.gz is joined by OUT.align.src.gz: compressed like it.
    packed = out.suffix if out.suffix in SUFFIXES else ""
    plain = str(out).removesuffix(packed)
    return [out, Path(f"{plain}.src{packed}"), Path(f"{plain}.tgt{packed}")]


def check_directory(out: Path) -> None:
    """Check that what is to become a directory can be one.

    Raises:
        ConfigError: it is a file, or stdout.
    """
    if out == STDOUT:
        raise ConfigError("-: expected a directory to write to, got stdout")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: expected a directory to write to, got a file")


def check_inputs_are_kept(paths: list[Path], *inputs: str | None) -> None:
    """Check that no output would replace an input.

    Raises:
        ConfigError: one would.
    """
    for path in paths:
        for name in inputs:
            if name and path.is_file() and Path(name).is_file() and path.samefile(name):
                raise ConfigError(f"{path}: expected another output, got an input file")


@contextmanager
def open_files(paths: list[Path]) -> Iterator[list[TextIO]]:
    """Yield files to write to, which appear together and whole, or not at all."""
    # All files are closed before any takes its place: a full disk shows on closing.
    with ExitStack() as replaced, ExitStack() as opened:
        besides = [replaced.enter_context(replacing(path)) for path in paths]
        yield [
            opened.enter_context(open_to_write(beside, path))
            for beside, path in zip(besides, paths, strict=True)
        ]
