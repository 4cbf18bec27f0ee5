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
from aligner.links.table import TABLE_HEAD, link_rows
from aligner.terms import LinkFormat, Offsets
from aligner.text.words import Sentence

if TYPE_CHECKING:
    from aligner.links.aligned_pair import AlignedPair
    from aligner.text.numbered import WordPair

LISTED_PROBLEMS = 20


class Style(NamedTuple):
    """What is written of a pair.

    Attributes:
        format: Pharaoh lines, JSON lines, or a table with a link a line.
        offsets: what places of words are counted in; None where nobody says.
        with_scores: whether each link of a Pharaoh line is written with its score.
    """

    format: LinkFormat = "pharaoh"
    offsets: Offsets | None = None
    with_scores: bool = False

    def check(self) -> None:
        """Check that the options fit each other.

        Raises:
            ConfigError: there are no places to count.
        """
        if self.offsets and self.format != "jsonl":
            raise ConfigError(
                f"--offsets: expected --format jsonl beside it, got {self.format}"
            )

    def lines(self, aligned: "AlignedPair", words: "WordPair", number: int) -> str:
        """Return what is written of the pair in a line of the text, with its end."""
        from aligner.links.formats import format_pharaoh
        from aligner.links.json_lines import format_json

        if self.format == "tsv":
            return link_rows(aligned, words, number)
        if self.format == "jsonl":
            src, tgt = words
            if not isinstance(src, Sentence) or not isinstance(tgt, Sentence):
                raise TypeError("expected words that know their places")
            return format_json(aligned, src, tgt, self.offsets or "codepoints") + "\n"
        scores = aligned.scores if self.with_scores else None
        return format_pharaoh(aligned.links, scores) + "\n"


class LinkFiles(NamedTuple):
    """Where lines go.

    Attributes:
        links: the links, and in further files, if any, either side's words.
        scores: the sentence scores, in a file or in none.
        linked: the words of each link, in a file or in none.
        style: what is written of a pair.
    """

    links: Sequence[TextIO]
    scores: Sequence[TextIO]
    linked: Sequence[TextIO]
    style: Style

    def write(self, aligned: "AlignedPair", words: "WordPair", number: int) -> None:
        """Write what was found of the pair in a line of the text, from 1."""
        self.links[0].write(self.style.lines(aligned, words, number))
        for file, side in zip(self.links[1:], words, strict=False):
            file.write(" ".join(side) + "\n")
        for file in self.scores:
            file.write(f"{aligned.score:.4f}\n")
        for file in self.linked:
            src, tgt = words
            pairs = (f"{src[i]}:{tgt[j]}" for i, j in sorted(aligned.links))
            file.write(" ".join(pairs) + "\n")

    def flush(self) -> None:
        """Let who waits for lines have them."""
        for file in (*self.links, *self.scores, *self.linked):
            if file is sys.stdout or not file.seekable():
                file.flush()


class Places(NamedTuple):
    """Where lines are to go, before anything is opened.

    Attributes:
        links: files for the links, and for words; none where links go to stdout.
        scores: files for the sentence scores, at most one; `STDOUT` may stand here.
        linked: likewise for the words of links.
        style: what is written of a pair.
        is_first: whether nothing stands before what is written, in another share.
    """

    links: list[Path]
    scores: list[Path]
    linked: list[Path]
    style: Style
    is_first: bool = True

    @classmethod
    def of(
        cls,
        out: Path | None,
        with_words: bool,
        sentence_scores: Path | None,
        words: Path | None,
        style: Style,
        shard: Shard | None = None,
    ) -> "Places":
        """Return what the options say.

        Raises:
            ConfigError: two things would go to one place, or options don't fit.
        """
        style.check()
        # Only Pharaoh lines don't say by themselves what words were cut.
        links = output_paths(out, with_words and style.format == "pharaoh")
        scores, linked = ([one] if one else [] for one in (sentence_scores, words))
        taken = {path.resolve(): "--out" for path in links or [STDOUT]}
        for name, paths in (("--sentence-scores", scores), ("--words", linked)):
            for path in paths:
                if other := taken.get(path.resolve()):
                    if path == STDOUT and other == "--out":
                        raise ConfigError(
                            f"{name} -: expected --out, as the links go to stdout"
                        )
                    raise ConfigError(
                        f"{path}: expected {name} another file than {other}"
                    )
                taken[path.resolve()] = name
        if shard:
            links, scores, linked = (
                [path if path == STDOUT else numbered_path(path, shard) for path in one]
                for one in (links, scores, linked)
            )
        return cls(links, scores, linked, style, not shard or shard.number == 1)

    @property
    def files(self) -> list[Path]:
        """All files to open."""
        every = (*self.links, *self.scores, *self.linked)
        return [path for path in every if path != STDOUT]

    @property
    def has_stdout(self) -> bool:
        """Whether something goes to stdout."""
        return not self.links or STDOUT in (*self.scores, *self.linked)

    def opened(self, files: Sequence[TextIO]) -> LinkFiles:
        """Return what to write to, given all `files` open."""
        rest = iter(files)
        links, scores, linked = (
            [sys.stdout if path == STDOUT else next(rest) for path in paths]
            for paths in (self.links or [STDOUT], self.scores, self.linked)
        )
        if self.style.format == "tsv" and self.is_first:
            links[0].write(TABLE_HEAD)
        return LinkFiles(links, scores, linked, self.style)


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
                files.write(aligned, words, line)
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
