"""The text that a model is trained on, and the alignments that guide it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from aligner.cli.console import say
from aligner.cli.progress import PassProgress
from aligner.errors import ConfigError, CorpusError, LinkFormatError, ModelError
from aligner.links.formats import read_pharaoh
from aligner.nmt.checkpoint import CONFIG, META, read_meta
from aligner.nmt.config import Config, FilterConfig, read_config
from aligner.nmt.training_state import STATE
from aligner.prior.prior import Prior, SoftLinks, estimate
from aligner.text.bitext import read_bitext
from aligner.text.filters import FilterCounts, Filters, Words, filter_pairs
from aligner.text.words import lowered, word_tokenizers

WordPair = tuple[Words, Words]


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
            return cls(**stored, tokenize=tokenize), read_config(directory / CONFIG)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{directory / META}: expected the files of a training under `files`"
            ) from error

    def to_meta(self) -> dict[str, Any]:
        """Return the files for a model's meta.json, by absolute paths."""
        stored = asdict(self)
        for name, value in stored.items():
            keyword = name == "guide" and value in ("auto", "none")
            if isinstance(value, str) and value != "-" and not keyword:
                stored[name] = str(Path(value).absolute())
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

    train: list[WordPair]
    valid: list[WordPair]
    lines: list[int]
    total_lines: int


def read_text(files: TrainingFiles, config: Config) -> TrainingText:
    """Read and filter the training text; hold out validation pairs if none are given.

    Raises:
        CorpusError: there is too little text.
    """
    train, lines, total = _read_pairs(files, files.src, files.tgt, config.filters)
    if files.valid_src is not None:
        valid, _, _ = _read_pairs(
            files, files.valid_src, files.valid_tgt, config.filters
        )
        if not valid:
            raise CorpusError(f"{files.valid_src}: no usable sentence pairs")
        return TrainingText(train, valid, lines, total)
    if len(train) < 2:
        raise CorpusError(
            f"{files.src}: expected at least 2 usable sentence pairs, got {len(train)}"
        )
    random = np.random.default_rng(config.training.seed)
    order = random.permutation(len(train))
    held_out = min(config.training.valid_pairs, max(1, len(train) // 20))
    chosen = set(order[:held_out].tolist())
    say(f"validation: {held_out} pairs held out")
    kept = [i for i in range(len(train)) if i not in chosen]
    return TrainingText(
        train=[train[i] for i in kept],
        valid=[train[i] for i in sorted(chosen)],
        lines=[lines[i] for i in kept],
        total_lines=total,
    )


def _read_pairs(
    files: TrainingFiles, src: str, tgt: str | None, limits: FilterConfig
) -> tuple[list[WordPair], list[int], int]:
    """Return the pairs that pass the filters, their lines, and the number of lines."""
    src_words, tgt_words = word_tokenizers(files.tokenize)
    filters = Filters(limits.max_words, limits.max_ratio, limits.drop_duplicates)
    counts = FilterCounts()
    pairs = ((src_words(s), tgt_words(t)) for s, t in read_bitext(src, tgt))
    kept, lines = [], []
    for line, src_side, tgt_side in filter_pairs(pairs, filters, counts):
        kept.append((src_side, tgt_side))
        lines.append(line)
    say(
        f"{src}: {counts.kept} pairs kept; left out: {counts.empty} with an empty "
        f"side, {counts.too_long} too long, {counts.ratio} of unlike length, "
        f"{counts.duplicate} repeated"
    )
    return kept, lines, counts.kept + counts.dropped


def guide_links(
    files: TrainingFiles, text: TrainingText, *, lowercase: bool = False
) -> tuple[list[SoftLinks] | None, Prior | None]:
    """Return the links that guide the training, for each pair to train on.

    And the prior that they come from, if they come from one.

    Raises:
        ConfigError: the guide is neither a keyword nor a file.
        LinkFormatError: a guide from a file does not fit the text.
    """
    if files.guide == "none":
        return None, None
    if files.guide != "auto":
        return _read_guide(files.guide, text), None
    pairs: list[WordPair] = text.train
    if lowercase:
        pairs = [(lowered(src), lowered(tgt)) for src, tgt in pairs]
    with PassProgress("prior") as progress:
        prior, links = estimate(pairs, progress)
    return links, prior


def _read_guide(path: str, text: TrainingText) -> list[SoftLinks]:
    """Read Pharaoh lines, and check them line by line against the training text."""
    if not Path(path).is_file():
        raise ConfigError(f"--guide {path}: expected auto, none, or an existing file")
    alignments = read_pharaoh(path)
    if len(alignments) != text.total_lines:
        raise LinkFormatError(
            f"{path}: expected {text.total_lines} lines, as many as the training text "
            f"has, got {len(alignments)}"
        )
    guide = []
    for line, (src, tgt) in zip(text.lines, text.train, strict=True):
        links = sorted(alignments[line])
        for i, j in links:
            if i >= len(src) or j >= len(tgt):
                raise LinkFormatError(
                    f"{path}, line {line + 1}: expected links within {len(src)} and "
                    f"{len(tgt)} words, got {i}-{j}"
                )
        places = np.array(links, np.int32).reshape(-1, 2)
        guide.append(
            SoftLinks(places[:, 0], places[:, 1], np.ones(len(links), np.float32))
        )
    return guide
