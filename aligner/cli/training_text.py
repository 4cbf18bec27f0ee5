"""The text that a model is trained on, and the alignments that guide it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aligner.cli.console import say
from aligner.cli.progress import PassProgress
from aligner.errors import ConfigError, CorpusError, LinkFormatError, ModelError
from aligner.links.formats import parse_pharaoh
from aligner.nmt.checkpoint import CONFIG, META, read_meta, read_stored_config
from aligner.nmt.config import Config, FilterConfig
from aligner.nmt.training_state import STATE
from aligner.prior.prior import Prior, estimate
from aligner.prior.soft_links import SoftLinks, TextLinks
from aligner.text.bitext import is_piped, read_bitext, read_lines
from aligner.text.duplicates import PairHashes
from aligner.text.filters import FilterCounts, Filters, filter_pairs
from aligner.text.mapped import (
    GrowingArray,
    mapped_range,
    mapped_zeros,
    places_of_false,
    taken,
)
from aligner.text.numbered import NumberedBitext, Numbering
from aligner.text.words import word_tokenizers

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TrainingFiles:
    """Where the text of a training run comes from.

    Attributes:
        src: the source text, or both sides in one file.
        tgt: the target text; None where `src` holds both sides.
        valid_src: validation text; None to hold out a slice of the training text.
        valid_tgt: its target side, likewise.
        tokenize: the two languages for Moses tokenisation; None to split at spaces.
        guide: the alignments that guide the training: `auto`, a statistical prior's;
            `none`; or a file of Pharaoh lines for the training text.
    """

    src: str
    tgt: str | None = None
    valid_src: str | None = None
    valid_tgt: str | None = None
    tokenize: tuple[str, str] | None = None
    guide: str = "auto"

    @classmethod
    def of_run(cls, directory: Path) -> tuple[Self, Config]:
        """Return the files and the configuration of a run that was begun before.

        Raises:
            ModelError: the directory holds no such run, or a finished one without the
                state to go on from.
        """
        if not (directory / CONFIG).is_file() or not (directory / META).is_file():
            raise ModelError(f"{directory}: no training to resume")
        meta = read_meta(directory)
        if "training" in meta and not (directory / STATE).is_file():
            raise ModelError(f"{directory}: no checkpoint to resume from")
        try:
            stored = dict(meta["files"])
            tokenize = tuple(stored.pop("tokenize") or ()) or None
            return cls(**stored, tokenize=tokenize), read_stored_config(directory)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{directory / META}: expected the files of a training under `files`"
            ) from error

    def to_meta(self) -> dict[str, Any]:
        """Return the files for a model's meta.json, by absolute paths; pipes as "-"."""
        stored = asdict(self)
        for name, value in stored.items():
            keyword = name == "guide" and value in ("auto", "none")
            if isinstance(value, str) and not keyword:
                stored[name] = "-" if is_piped(value) else str(Path(value).absolute())
        return stored


@dataclass(frozen=True)
class TrainingText:
    """Sentence pairs as words, filtered and divided.

    Attributes:
        train: the pairs to train on.
        valid: the pairs to validate on.
        lines: for each pair to train on, its line in the training text, from 0.
        total_lines: the lines of the training text before filtering.
    """

    train: NumberedBitext
    valid: NumberedBitext
    lines: Ints
    total_lines: int


def read_text(
    files: TrainingFiles, config: Config, folder: Path | None = None
) -> TrainingText:
    """Read and filter the training text; hold out validation pairs if none are given.

    The files are read once, onto the disk of a folder, by default the system's own.

    Raises:
        CorpusError: there is too little text.
    """
    read = _read_pairs(files, files.src, files.tgt, config.filters, folder)
    if files.valid_src is not None:
        valid = _read_pairs(
            files, files.valid_src, files.valid_tgt, config.filters, folder
        )
        if not len(valid.kept):
            raise CorpusError(f"{files.valid_src}: no usable sentence pairs")
        return read.without(np.empty(0, np.int64), valid.pairs(valid.kept))
    usable = len(read.kept)
    if usable < 2:
        raise CorpusError(
            f"{files.src}: expected at least 2 usable sentence pairs, got {usable}"
        )
    order = mapped_range(usable, folder)
    np.random.default_rng(config.training.seed).shuffle(order)
    held_out = min(config.training.valid_pairs, max(1, usable // 20))
    say(f"validation: {held_out} pairs held out")
    chosen = read.kept[np.sort(order[:held_out])]
    return read.without(chosen, read.pairs(chosen))


@dataclass(frozen=True)
class _Read:
    """What was read of a text.

    Attributes:
        text: the pairs that pass the filters, repeated ones too.
        lines: the line of each.
        repeated: whether each is equal to an earlier one that is not to be repeated.
        kept: the places of those that are not.
        total_lines: the number of lines.
        folder: on whose disk the text lies.
    """

    text: NumberedBitext
    lines: Ints
    repeated: NDArray[np.bool_]
    kept: Ints
    total_lines: int
    folder: Path | None

    def pairs(self, places: Ints) -> NumberedBitext:
        return self.text.select(places, self.folder)

    def without(self, held_out: Ints, valid: NumberedBitext) -> TrainingText:
        """Return a training text from the pairs that are left."""
        self.repeated[held_out] = True
        left = places_of_false(self.repeated, self.folder)
        lines = taken(self.lines, left, self.folder)
        return TrainingText(self.pairs(left), valid, lines, self.total_lines)


def _read_pairs(
    files: TrainingFiles,
    src: str,
    tgt: str | None,
    limits: FilterConfig,
    folder: Path | None,
) -> _Read:
    """Read a text in one pass; say what is left out."""
    src_words, tgt_words = word_tokenizers(files.tokenize)
    filters = Filters(limits.max_words, limits.max_ratio)
    counts = FilterCounts()
    pairs = ((src_words(s), tgt_words(t)) for s, t in read_bitext(src, tgt))
    numbering, hashes = Numbering(folder), PairHashes(folder)
    lines = GrowingArray(np.int64, folder)
    for line, src_side, tgt_side in filter_pairs(pairs, filters, counts):
        numbering.add(src_side, tgt_side)
        lines.append(np.array([line]))
        if limits.drop_duplicates:
            hashes.add(src_side, tgt_side)
    repeated = (
        hashes.repeated()
        if limits.drop_duplicates
        else mapped_zeros(counts.kept, np.bool_, folder)
    )
    kept = places_of_false(repeated, folder)
    counts.duplicate = counts.kept - len(kept)
    counts.kept = len(kept)
    say(
        f"{src}: {counts.kept} pairs kept; left out: {counts.empty} with an empty "
        f"side, {counts.too_long} too long, {counts.ratio} of unlike length, "
        f"{counts.duplicate} repeated"
    )
    total = counts.kept + counts.dropped
    return _Read(numbering.whole(), lines.whole(), repeated, kept, total, folder)


def guide_links(
    files: TrainingFiles,
    text: TrainingText,
    *,
    lowercase: bool = False,
    folder: Path | None = None,
) -> tuple[TextLinks | None, Prior | None]:
    """Return the links that guide the training, for each pair to train on.

    And the prior that they come from, if they come from one. The links lie on the disk
    of a folder, by default the system's own.

    Raises:
        ConfigError: the guide is neither a keyword nor a file.
        LinkFormatError: a guide from a file does not fit the text.
    """
    if files.guide == "none":
        return None, None
    if files.guide != "auto":
        return TextLinks.gather(_read_guide(files.guide, text), folder), None
    train = text.train.renamed(str.lower) if lowercase else text.train
    with PassProgress("prior") as progress:
        prior, links = estimate(train, progress, folder)
    return links, prior


def _read_guide(path: str, text: TrainingText) -> Iterator[SoftLinks]:
    """Read Pharaoh lines, and check them line by line against the training text."""
    if path != "-" and not (Path(path).exists() and not Path(path).is_dir()):
        raise ConfigError(f"--guide {path}: expected auto, none, or an existing file")
    place = total = blank = 0  # the next pair to train on; lines; those without links
    outside = ""  # of other text, the number of lines tells more than a link does
    for line, content in enumerate(read_lines(path)):
        try:
            links = sorted(parse_pharaoh(content))
        except LinkFormatError as error:
            raise LinkFormatError(f"{path}, line {line + 1}: {error}") from None
        total, blank = total + 1, blank + (not links)
        if place == len(text.lines) or text.lines[place] != line:
            continue
        if not outside and (wrong := _outside(links, text.train, place)):
            outside = f"{path}, line {line + 1}: {wrong}"
        places = np.array(links, np.int32).reshape(-1, 2)
        yield SoftLinks(places[:, 0], places[:, 1], np.ones(len(links), np.float32))
        place += 1
    if total != text.total_lines:
        raise LinkFormatError(
            f"{path}: expected {text.total_lines} lines, as many as the training text "
            f"has, got {total}"
        )
    if outside:
        raise LinkFormatError(outside)
    if blank:
        say(f"warning: {path}: {blank} of {total} lines have no links")


def _outside(links: Sequence[tuple[int, int]], text: NumberedBitext, place: int) -> str:
    """Return what is wrong with the links of a pair, or an empty string."""
    src, tgt = len(text.src.numbers[place]), len(text.tgt.numbers[place])
    for i, j in links:
        if i >= src or j >= tgt:
            return f"expected links within {src} and {tgt} words, got {i}-{j}"
    return ""
