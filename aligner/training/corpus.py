"""The text that a model is trained on."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aligner.errors import ConfigError, CorpusError, ModelError
from aligner.nmt.checkpoint import CONFIG, read_stored_config
from aligner.nmt.config import Config, FilterConfig
from aligner.nmt.model_meta import META, TrainedOn, read_meta
from aligner.text.bitext import is_piped, read_bitext
from aligner.text.duplicates import PairHashes
from aligner.text.filters import FilterCounts, Filters, filter_pairs
from aligner.text.numbered import NumberedBitext, Numbering, WordPair
from aligner.text.scratch import (
    GrowingArray,
    mapped_full,
    mapped_range,
    places_of_false,
    taken,
)
from aligner.text.tokenizers import both_resolved, word_tokenizers
from aligner.text.words import check_words

Ints = NDArray[np.int64]


log = logging.getLogger(__name__)
# A file of lines, or the words of each sentence.
Text: TypeAlias = str | Sequence[Sequence[str]]


@dataclass(frozen=True)
class TrainingFiles:
    """Where the text of a training run comes from.

    Attributes:
        src: the source text, or both sides in one file. A text is the name of a file,
            or the words of each sentence.
        tgt: the target text; None where `src` holds both sides.
        valid_src: validation text; None to hold out a slice of the training text.
        valid_tgt: its target side, likewise.
        tokenize: the languages of raw text, as `text.tokenizers.resolved` writes them;
            None where words stand between spaces.
        guide: the alignments that guide the training: `auto`, a statistical prior's;
            `none`; or a file of Pharaoh lines for the training text.
        encoder: a pretrained encoder that guides beside the prior; a directory, or a
            name of the hub.
        dictionary: a file of entries that the prior takes for evidence beside the text.
        start_from: the directory of an earlier model, whose subwords, weights and prior
            are begun with.
    """

    src: Text
    tgt: Text | None = None
    valid_src: Text | None = None
    valid_tgt: Text | None = None
    tokenize: tuple[str, str] | None = None
    guide: str = "auto"
    encoder: str | None = None
    dictionary: str | None = None
    start_from: str | None = None

    def __post_init__(self) -> None:
        """Note which segmenters are there for the languages.

        Raises:
            ConfigError: only one side of validation text is given.
        """
        if self.valid_tgt is not None and self.valid_src is None:
            raise ConfigError("valid_tgt: expected valid_src beside it, got nothing")
        object.__setattr__(self, "tokenize", both_resolved(self.tokenize))

    @classmethod
    def of_run(cls, directory: Path) -> tuple[Self, Config]:
        """Return the files and the configuration of a run that was begun before.

        Raises:
            ModelError: the directory holds no such run.
        """
        if not (directory / CONFIG).is_file() or not (directory / META).is_file():
            raise ModelError(f"{directory}: no training to resume")
        files = read_meta(directory).files
        if files.src is None:
            raise ModelError(f"{directory / META}: files.src: expected the text")
        stored = {one.name: getattr(files, one.name) for one in fields(cls)}
        return cls(**stored), read_stored_config(directory)

    def to_meta(self) -> TrainedOn:
        """Return the files for a model's meta.json, by absolute paths.

        What cannot be read again, as it is no file, is "-".
        """
        stored: dict[str, Any] = {
            one.name: getattr(self, one.name) for one in fields(self)
        }
        for name, value in stored.items():
            keyword = name == "guide" and value in ("auto", "none")
            of_hub = name == "encoder" and value and not Path(value).exists()
            if name == "tokenize" or value is None or keyword or of_hub:
                continue
            gone = not isinstance(value, str) or is_piped(value)
            stored[name] = "-" if gone else str(Path(value).absolute())
        return TrainedOn(**stored)

    @property
    def is_gone(self) -> bool:
        """Whether some of it cannot be read again."""
        return "-" in dict(self.to_meta()).values()


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


def read_text(files: TrainingFiles, config: Config) -> TrainingText:
    """Read and filter the training text; hold out validation pairs if none are given.

    The files are read once, onto the scratch disk.

    Raises:
        CorpusError: there is too little text.
    """
    read = _read_pairs(files, files.src, files.tgt, config.filters)
    usable, least = len(read.kept), 1 if files.valid_src is not None else 2
    if usable < least:
        raise CorpusError(
            f"{name_of(files.src)}: expected at least {least} usable sentence pairs, "
            f"got {usable}"
        )
    if files.valid_src is not None:
        valid = _read_pairs(files, files.valid_src, files.valid_tgt, config.filters)
        if not len(valid.kept):
            raise CorpusError(f"{name_of(files.valid_src)}: no usable sentence pairs")
        return read.without(np.empty(0, np.int64), valid.pairs(valid.kept))
    order = mapped_range(usable)
    np.random.default_rng(config.training.seed).shuffle(order)
    held_out = min(config.training.valid_pairs, max(1, usable // 20))
    log.info("validation: %d pairs held out", held_out)
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
    """

    text: NumberedBitext
    lines: Ints
    repeated: NDArray[np.bool_]
    kept: Ints
    total_lines: int

    def pairs(self, places: Ints) -> NumberedBitext:
        return self.text.select(places)

    def without(self, held_out: Ints, valid: NumberedBitext) -> TrainingText:
        """Return a training text from the pairs that are left."""
        self.repeated[held_out] = True
        left = places_of_false(self.repeated)
        lines = taken(self.lines, left)
        return TrainingText(self.pairs(left), valid, lines, self.total_lines)


def _read_pairs(
    files: TrainingFiles,
    src: Text,
    tgt: Text | None,
    limits: FilterConfig,
) -> _Read:
    """Read a text in one pass; say what is left out."""
    filters = Filters(limits.max_words, limits.max_ratio)
    counts = FilterCounts()
    pairs = _word_pairs(src, tgt, files.tokenize)
    numbering, hashes = Numbering(), PairHashes()
    lines = GrowingArray(np.int64)
    for line, src_side, tgt_side in filter_pairs(pairs, filters, counts):
        numbering.add(src_side, tgt_side)
        lines.append(np.array([line]))
        if limits.drop_duplicates:
            hashes.add(src_side, tgt_side)
    repeated = (
        hashes.repeated()
        if limits.drop_duplicates
        else mapped_full(counts.kept, 0, np.bool_)
    )
    kept = places_of_false(repeated)
    counts.duplicate = counts.kept - len(kept)
    counts.kept = len(kept)
    log.info(
        "%s: %d pairs kept; left out: %d with an empty side, %d too long, %d of unlike "
        "length, %d repeated",
        name_of(src),
        counts.kept,
        counts.empty,
        counts.too_long,
        counts.ratio,
        counts.duplicate,
    )
    total = counts.kept + counts.dropped
    return _Read(numbering.finish(), lines.finish(), repeated, kept, total)


def _word_pairs(
    src: Text, tgt: Text | None, tokenize: tuple[str, str] | None
) -> Iterator[WordPair]:
    """Yield the words of both sides of each pair.

    Raises:
        ConfigError: one side is a file, the other one is not.
        CorpusError: there are more sentences on one side.
        TypeError: a sentence, which is named, is no sequence of words.
    """
    if isinstance(src, str) and (tgt is None or isinstance(tgt, str)):
        src_words, tgt_words = word_tokenizers(tokenize)
        for src_line, tgt_line in read_bitext(src, tgt):
            yield src_words(src_line), tgt_words(tgt_line)
        return
    if tokenize:
        raise ConfigError("tokenize: expected text in files, got words")
    if isinstance(src, str) or tgt is None or isinstance(tgt, str):
        raise ConfigError("expected files on both sides, or words on both sides")
    if len(src) != len(tgt):
        raise CorpusError(
            f"expected as many sentences on both sides, got {len(src)} and {len(tgt)}"
        )
    for number, pair in enumerate(zip(src, tgt, strict=True), start=1):
        for words in pair:
            check_words(words, f"sentence {number}")
            if any("\n" in word for word in words):
                raise CorpusError(f"sentence {number}: a word holds a line feed")
        yield pair


def name_of(text: Text) -> str:
    """Return what messages call a text."""
    return text if isinstance(text, str) else "the text"
