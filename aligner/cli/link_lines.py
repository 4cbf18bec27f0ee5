"""The lines that an alignment writes, and what it says of pairs without links."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from aligner.cli.console import say
from aligner.cli.outputs import STDOUT, numbered_path, output_paths
from aligner.cli.progress import AlignmentProgress
from aligner.cli.shards import NumberedChunk, Shard
from aligner.errors import ConfigError

if TYPE_CHECKING:
    from aligner.links.aligned_pair import AlignedPair
    from aligner.text.numbered import WordPair

LISTED_PROBLEMS = 20


class LinkFiles(NamedTuple):
    """Where lines go.

    Attributes:
        links: the links, and in further files, if any, either side's words.
        scores: the sentence scores, in a file or in none.
        with_scores: whether each link is written with its score.
    """

    links: Sequence[TextIO]
    scores: Sequence[TextIO]
    with_scores: bool = False

    def write(self, aligned: "AlignedPair", words: "WordPair") -> None:
        """Write what was found of a pair."""
        from aligner.links.formats import format_pharaoh

        scores = aligned.scores if self.with_scores else None
        texts = [format_pharaoh(aligned.links, scores), *map(" ".join, words)]
        for file, text in zip(self.links, texts, strict=False):
            file.write(text + "\n")
        for file in self.scores:
            file.write(f"{aligned.score:.4f}\n")

    def flush(self) -> None:
        """Let who waits for lines have them."""
        for file in (*self.links, *self.scores):
            if file is sys.stdout or not file.seekable():
                file.flush()


class Places(NamedTuple):
    """Where lines are to go, before anything is opened.

    Attributes:
        links: files for the links, and for words; none where links go to stdout.
        scores: files for the sentence scores, at most one; `STDOUT` may stand here.
        with_scores: whether each link is written with its score.
    """

    links: list[Path]
    scores: list[Path]
    with_scores: bool

    @classmethod
    def of(
        cls,
        out: Path | None,
        with_words: bool,
        sentence_scores: Path | None,
        with_scores: bool,
        shard: Shard | None = None,
    ) -> "Places":
        """Return what the options say.

        Raises:
            ConfigError: two things would go to one place.
        """
        links = output_paths(out, with_words)
        scores = [] if sentence_scores is None else [sentence_scores]
        if scores == [STDOUT] and not links:
            raise ConfigError(
                "--sentence-scores -: expected --out, as the links go to stdout"
            )
        if {path.resolve() for path in links} & {path.resolve() for path in scores}:
            raise ConfigError(
                f"{sentence_scores}: expected --sentence-scores another file"
            )
        if shard:
            links = [numbered_path(path, shard) for path in links]
            scores = [
                path if path == STDOUT else numbered_path(path, shard)
                for path in scores
            ]
        return cls(links, scores, with_scores)

    @property
    def files(self) -> list[Path]:
        """All files to open."""
        return [path for path in (*self.links, *self.scores) if path != STDOUT]

    @property
    def has_stdout(self) -> bool:
        """Whether something goes to stdout."""
        return not self.links or STDOUT in self.scores

    def opened(self, files: Sequence[TextIO]) -> LinkFiles:
        """Return what to write to, given all `files` open."""
        links, scores = files[: len(self.links)], files[len(self.links) :]
        if STDOUT in self.scores:
            scores = [sys.stdout]
        return LinkFiles(links or [sys.stdout], scores, self.with_scores)


class Written(NamedTuple):
    """How many pairs there were, how many without links, and why the first of them."""

    pairs: int
    problems: int
    listed: list[str]


def write_lines(
    align: "Callable[[Sequence[WordPair]], Iterable[AlignedPair]]",
    chunks: Iterable[NumberedChunk],
    files: LinkFiles,
    progress: AlignmentProgress,
    tell: Callable[[str], None] = lambda problem: None,
) -> Written:
    """Write a line for every pair; tell at once of the first that have no links."""
    listed: list[str] = []
    problems = 0
    with progress:
        for first_line, pairs in chunks:
            progress.take(len(pairs))
            found = zip(align(pairs), pairs, strict=True)
            for line, (aligned, words) in enumerate(found, start=first_line):
                files.write(aligned, words)
                problems += bool(aligned.problem)
                if aligned.problem and problems <= LISTED_PROBLEMS:
                    listed.append(f"line {line}: not aligned: {aligned.problem}")
                    tell(listed[-1])
                progress.advance()
            files.flush()
    return Written(progress.pairs, problems, listed)


def say_of_all(shares: Sequence[Written], where: str = "") -> None:
    """Say what became of all pairs; and which have no links, if nobody has yet."""
    pairs = sum(share.pairs for share in shares)
    problems = sum(share.problems for share in shares)
    if len(shares) > 1:
        listed = [problem for share in shares for problem in share.listed]
        for problem in listed[:LISTED_PROBLEMS]:
            say(problem)
    if problems:
        say(f"warning: {problems} pairs could not be aligned: their lines are empty")
    say(f"aligned {pairs - problems} of {pairs} pairs{where}")
