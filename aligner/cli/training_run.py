"""A whole training run: from text files to a model directory."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from aligner.cli.console import say
from aligner.cli.progress import TrainingProgress, clock
from aligner.errors import ConfigError, CorpusError, ModelError
from aligner.extraction.forced_decoding import Segmented
from aligner.extraction.selection import Choice, choose_by_agreement, choose_by_norm
from aligner.nmt.batching import Batches, EncodedBitext
from aligner.nmt.checkpoint import (
    CONFIG,
    META,
    WEIGHTS,
    TranslationModel,
    load_weights,
    read_meta,
    save_meta,
    save_recipe,
)
from aligner.nmt.config import Config, FilterConfig, read_config
from aligner.nmt.training import STATE, Training, TrainingState
from aligner.nmt.transformer import Transformer
from aligner.nmt.translation import translate
from aligner.text.bitext import read_bitext
from aligner.text.filters import FilterCounts, Filters, Words, filter_pairs
from aligner.text.output import clear_leftovers
from aligner.text.subwords import Side, Subwords
from aligner.text.words import word_tokenizers

WordPair = tuple[Words, Words]

CHOICE_PAIRS = 500  # validation pairs that layer and rows are chosen on
BLEU_PAIRS = 500
MAX_EXPONENT = 100.0  # perplexities beyond say nothing, and would overflow


@dataclass(frozen=True)
class TrainingFiles:
    """Where the text of a training run comes from.

    Attributes:
        src: the source text, or both sides in one file.
        tgt: the target text; None where `src` holds both sides.
        valid_src: validation text; None to hold out a slice of the training text.
        valid_tgt: its target side, likewise.
        tokenize: the two languages for Moses tokenisation; None to split at spaces.
    """

    src: str
    tgt: str | None = None
    valid_src: str | None = None
    valid_tgt: str | None = None
    tokenize: tuple[str, str] | None = None

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


def train_model(
    files: TrainingFiles,
    config: Config,
    out: Path,
    device: str,
    max_seconds: float = math.inf,
    *,
    resume: bool = False,
) -> TranslationModel:
    """Train a model into the directory `out`; return it with its best weights."""
    train, valid = _read_text(files, config)
    for folder in (out, out / STATE.parent):
        clear_leftovers(folder)
    if resume:
        subwords = Subwords.load(out, lowercase=config.subwords.lowercase)
    else:
        subwords = _learn_subwords(train, config)
        _start_directory(out, config, subwords, files)
    train_text = _encode(train, subwords, config)
    valid_text = EncodedBitext.encode(valid, subwords)

    torch.manual_seed(config.training.seed)
    network = Transformer(config.transformer, subwords.vocab_size).to(device)
    direction, budget = config.training.direction, config.training.batch_tokens
    training = Training(
        network,
        Batches(train_text, direction, budget),
        Batches(valid_text, direction, budget),
        config.training,
        out,
    )
    if resume and (out / STATE).is_file():
        training.resume()
    elif resume:
        say("no checkpoint yet: training starts from the beginning")
    parameters = sum(p.numel() for p in network.parameters())
    say(f"model: {parameters / 1e6:.1f} million parameters")
    with TrainingProgress(out) as progress:
        state = training.run(progress, max_seconds)
    if not math.isfinite(state.best_loss):
        raise ConfigError(
            "the training diverged: no validation gave a finite loss; expected a lower "
            f"learning_rate than {config.training.learning_rate:g}"
        )
    perplexity = math.exp(min(state.best_loss, MAX_EXPONENT))
    say(
        f"training ended after {clock(state.seconds)}: {state.finished}; "
        f"best perplexity {perplexity:.2f} at step {state.best_update}"
    )
    load_weights(out, network)
    model = TranslationModel(config, subwords, network.eval(), {})
    return _finish(model, valid, state, files, train_text, out)


def _read_text(
    files: TrainingFiles, config: Config
) -> tuple[list[WordPair], list[WordPair]]:
    """Read and filter the training text; hold out validation pairs if none are given.

    Raises:
        CorpusError: there is too little text.
    """
    train = _read_pairs(files, files.src, files.tgt, config.filters)
    if files.valid_src is not None:
        valid = _read_pairs(files, files.valid_src, files.valid_tgt, config.filters)
        if not valid:
            raise CorpusError(f"{files.valid_src}: no usable sentence pairs")
        return train, valid
    if len(train) < 2:
        raise CorpusError(
            f"{files.src}: expected at least 2 usable sentence pairs, got {len(train)}"
        )
    random = np.random.default_rng(config.training.seed)
    order = random.permutation(len(train))
    held_out = min(config.training.valid_pairs, max(1, len(train) // 20))
    chosen = set(order[:held_out].tolist())
    say(f"validation: {held_out} pairs held out")
    return (
        [pair for i, pair in enumerate(train) if i not in chosen],
        [train[i] for i in sorted(chosen)],
    )


def _read_pairs(
    files: TrainingFiles, src: str, tgt: str | None, limits: FilterConfig
) -> list[WordPair]:
    """Read sentence pairs as words, leave out what the filters reject, and say so."""
    src_words, tgt_words = word_tokenizers(files.tokenize)
    filters = Filters(limits.max_words, limits.max_ratio, limits.drop_duplicates)
    counts = FilterCounts()
    pairs = ((src_words(s), tgt_words(t)) for s, t in read_bitext(src, tgt))
    kept = [(s, t) for _, s, t in filter_pairs(pairs, filters, counts)]
    say(
        f"{src}: {counts.kept} pairs kept; left out: {counts.empty} with an empty "
        f"side, {counts.too_long} too long, {counts.ratio} of unlike length, "
        f"{counts.duplicate} repeated"
    )
    return kept


def _learn_subwords(train: Sequence[WordPair], config: Config) -> Subwords:
    started = time.monotonic()
    subwords = Subwords.train(
        (src for src, _ in train),
        (tgt for _, tgt in train),
        vocab_size=config.subwords.vocab_size,
        algorithm=config.subwords.algorithm,
        joint=config.subwords.joint,
        lowercase=config.subwords.lowercase,
    )
    seconds = time.monotonic() - started
    say(f"subwords: {subwords.vocab_size} learnt in {seconds:.0f} s")
    return subwords


def _encode(
    pairs: Sequence[WordPair], subwords: Subwords, config: Config
) -> EncodedBitext:
    """Encode the training text, without pairs that no batch can hold."""
    encoded = EncodedBitext.encode(pairs, subwords)
    longer = np.maximum(encoded.src.lengths(), encoded.tgt.lengths()) + 1
    fitting = np.flatnonzero(longer <= config.training.batch_tokens)
    if len(fitting) < len(encoded):
        say(
            f"left out: {len(encoded) - len(fitting)} pairs with more subwords than "
            f"batch_tokens = {config.training.batch_tokens}"
        )
        encoded = encoded.select(fitting)
    if not len(encoded):
        raise CorpusError("no sentence pair fits into a batch")
    return encoded


def _start_directory(
    out: Path, config: Config, subwords: Subwords, files: TrainingFiles
) -> None:
    """Begin a model directory, without traces of a model that was there."""
    subword_models = ("subwords.model", "subwords.src.model", "subwords.tgt.model")
    for stale in (STATE, CONFIG, META, WEIGHTS, "log.jsonl", *subword_models):
        (out / stale).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    save_meta(out, {"files": _absolute(files)})
    save_recipe(out, config, subwords)


def _absolute(files: TrainingFiles) -> dict[str, Any]:
    stored = asdict(files)
    for name, value in stored.items():
        if isinstance(value, str) and value != "-":
            stored[name] = str(Path(value).absolute())
    return stored


def _finish(
    model: TranslationModel,
    valid: Sequence[WordPair],
    state: TrainingState,
    files: TrainingFiles,
    train_text: EncodedBitext,
    out: Path,
) -> TranslationModel:
    """Choose what to read of the attention, measure BLEU, and note it all down."""
    pairs = [Segmented.of(pair, model.subwords) for pair in valid[:CHOICE_PAIRS]]
    both = model.config.training.direction == "both"
    choice = (choose_by_agreement if both else choose_by_norm)(model.network, pairs)
    _say_choice(choice)
    bleu = {"tgt": _bleu(model, valid, "tgt")}
    if both:
        bleu["src"] = _bleu(model, valid, "src")
    say(
        "BLEU on validation text: "
        + ", ".join(f"into {side} {value:.1f}" for side, value in bleu.items())
    )
    meta = {
        "files": _absolute(files),
        "seed": model.config.training.seed,
        "alignment": choice.to_meta(),
        "data": {"pairs": len(train_text), "sha256": train_text.digest()},
        "training": {
            **asdict(state),
            "perplexity": round(math.exp(min(state.best_loss, MAX_EXPONENT)), 4),
            "bleu": {side: round(value, 2) for side, value in bleu.items()},
            "torch": torch.__version__,
        },
    }
    save_meta(out, meta)
    return TranslationModel(model.config, model.subwords, model.network, meta)


def _say_choice(choice: Choice) -> None:
    for reading, value in choice.figures.items():
        mark = "<- chosen" if reading == choice.reading else ""
        say(
            f"layer {reading.layer + 1} {reading.rows.upper()}: "
            f"{choice.criterion} {value:.3f} {mark}".rstrip()
        )


def _bleu(model: TranslationModel, valid: Sequence[WordPair], into: Side) -> float:
    """Return BLEU of the validation text's beginning, on words as they are."""
    import sacrebleu

    chosen = valid[:BLEU_PAIRS]
    read, written = (0, 1) if into == "tgt" else (1, 0)
    found = translate(model, [pair[read] for pair in chosen], into)
    references = [" ".join(pair[written]) for pair in chosen]
    if model.subwords.lowercase:
        references = [reference.lower() for reference in references]
    # Both sides are words already: tokenising them again would change them.
    score = sacrebleu.corpus_bleu(
        [" ".join(words) for words in found],
        [references],
        tokenize="none",
        force=True,
    )
    return float(score.score)
