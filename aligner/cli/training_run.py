"""A whole training run: from text files to a model directory."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aligner.cli.console import say, stopping_gently
from aligner.cli.progress import TrainingProgress, clock
from aligner.cli.training_text import (
    TrainingFiles,
    TrainingText,
    guide_links,
    read_text,
)
from aligner.errors import ConfigError, CorpusError
from aligner.extraction.aligner import Aligner, WordPair, trained_direction
from aligner.extraction.forced_decoding import Reading, Segmented
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.selection import (
    PRESETS,
    Choice,
    choose_by_agreement,
    choose_by_norm,
    choose_threshold,
)
from aligner.extraction.self_training import find_links
from aligner.nmt.batching import Batches, encode
from aligner.nmt.checkpoint import (
    CONFIG,
    META,
    PRIOR,
    WEIGHTS,
    TranslationModel,
    load_weights,
    save_meta,
    save_recipe,
)
from aligner.nmt.config import Config
from aligner.nmt.guide import Guide
from aligner.nmt.meter import Report
from aligner.nmt.processes import ALONE, Processes
from aligner.nmt.start import start_from_guide
from aligner.nmt.training import Renewal, Training
from aligner.nmt.training_state import STATE, TrainingState
from aligner.nmt.transformer import Transformer
from aligner.nmt.translation import translate
from aligner.prior.prior import Prior
from aligner.prior.soft_links import TextLinks
from aligner.prior.storage import load_prior, save_prior
from aligner.text.encoded import EncodedBitext
from aligner.text.mapped import BLOCK, mapped_zeros, places_of_false, taken
from aligner.text.numbered import NumberedBitext
from aligner.text.output import clear_leftovers
from aligner.text.subwords import Side, Subwords

# Where the first of several processes leaves the guide for the others.
SHARED_LINKS = STATE.parent / "links.safetensors"
CHOICE_PAIRS = 500  # validation pairs that layer, rows and thresholds are chosen on
BLEU_PAIRS = 500
MAX_EXPONENT = 100.0  # perplexities beyond say nothing, and would overflow


def train_model(
    files: TrainingFiles,
    config: Config,
    out: Path,
    device: str,
    max_seconds: float = math.inf,
    *,
    resume: bool = False,
    processes: Processes = ALONE,
) -> TranslationModel:
    """Train a model into the directory `out`; return it with its best weights.

    Of several processes, the first one writes the model and returns it whole.
    """
    begun = Beginning(files, config, out, resume, processes)
    model, training, valid = _begin(begun, device)
    network = model.network
    parameters = sum(p.numel() for p in network.parameters())
    say(f"model: {parameters / 1e6:.1f} million parameters")
    is_first = processes.is_first
    progress = TrainingProgress(out) if is_first else nullcontext(_hear_nothing)
    with stopping_gently() as is_to_stop, progress as listen:
        state = training.run(listen, max_seconds, is_to_stop)
    if not state.is_finished():  # another process was to stop
        raise KeyboardInterrupt
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
    if not is_first:
        return model
    load_weights(out, network)
    network.eval()
    return _finish(model, valid, state, files, training.train.bitext, out)


def _hear_nothing(report: Report) -> None:
    """Leave reports to the first process."""


@dataclass(frozen=True)
class Beginning:
    """What a training is begun with, or gone on with, and by whom."""

    files: TrainingFiles
    config: Config
    out: Path
    resume: bool
    processes: Processes


def _begin(
    begun: Beginning, device: str
) -> tuple[TranslationModel, Training, list[WordPair]]:
    """Return a model, its training, and validation pairs; what was words is let go."""
    config, out, processes = begun.config, begun.out, begun.processes
    text = read_text(begun.files, config, _existing(out))
    if processes.is_first:
        subwords, links, prior = _learn_from(text, begun)
        processes.wait()
    else:
        subwords, links, prior = _learnt_by_first(text, begun)
    processes.wait()
    if processes.is_first:
        (out / SHARED_LINKS).unlink(missing_ok=True)
    torch.manual_seed(config.training.seed)
    network = Transformer(config.transformer, subwords.vocab_size).to(device)
    if not processes.is_first:
        processes.seed(config.training.seed)
    model = TranslationModel(config, subwords, network, {}, prior)
    training, valid = _prepare(model, text, links, out, processes)
    if begun.resume and (out / STATE).is_file():
        training.resume()
        say(f"resuming at step {training.state.updates}")
    elif begun.resume:
        say("no checkpoint yet: training starts from the beginning")
    return model, training, valid


def _learn_from(
    text: TrainingText, begun: Beginning
) -> tuple[Subwords, TextLinks | None, Prior | None]:
    """Return what comes before the network; write it to the model directory."""
    files, config, out = begun.files, begun.config, begun.out
    links, prior = guide_links(
        files, text, lowercase=config.subwords.lowercase, folder=_existing(out)
    )
    for place in (out, out / STATE.parent):
        clear_leftovers(place)
    (out / SHARED_LINKS).unlink(missing_ok=True)
    if begun.resume:
        subwords = Subwords.load(out, lowercase=config.subwords.lowercase)
    else:
        subwords = _learn_subwords(text.train, config)
        _start_directory(out, config, subwords, files)
    if prior is not None:
        save_prior(out / PRIOR, prior)
        prior = load_prior(out / PRIOR)  # as `aligner align` will have it
    if links is not None and begun.processes.of > 1:
        links.save(out / SHARED_LINKS)
    return subwords, links, prior


def _learnt_by_first(
    text: TrainingText, begun: Beginning
) -> tuple[Subwords, TextLinks | None, Prior | None]:
    """Return what the first process has learnt, as soon as it has; no prior."""
    out = begun.out
    begun.processes.wait()
    subwords = Subwords.load(out, lowercase=begun.config.subwords.lowercase)
    links = None
    if begun.files.guide != "none":
        links = TextLinks.load(out / SHARED_LINKS, len(text.train), out)
    return subwords, links, None


def _existing(out: Path) -> Path:
    """Return the folder on whose disk the model will lie: itself, if it is there."""
    return next(place for place in (out, *out.absolute().parents) if place.is_dir())


def _prepare(
    model: TranslationModel,
    text: TrainingText,
    links: TextLinks | None,
    out: Path,
    processes: Processes,
) -> tuple[Training, list[WordPair]]:
    """Prepare the training of a fresh network: its data, its guide, its start.

    Returns it with validation pairs that fit into a batch.
    """
    config, subwords = model.config, model.subwords
    train, fitting = _encode(text.train, subwords, config, out)
    valid, fitting_valid = _encode(text.valid, subwords, config, out)
    pairs, lines = text.train, text.lines
    if len(fitting) < len(pairs):
        pairs, lines = pairs.select(fitting, out), taken(lines, fitting, out)
        links = links and links.select(fitting, out)
    guide = renewal = None
    if links is not None:
        guide = Guide.of(pairs, links, subwords, out)
        start_from_guide(model.network, train, guide, config.training.guide_layer - 1)
        if config.training.rounds > 1:
            renewal = _renewal(model, guide, pairs, out)
    training = Training(
        model.network,
        Batches(train, config.training.direction, config.training.batch_tokens),
        Batches(valid, config.training.direction, config.training.batch_tokens),
        config.training,
        out,
        guide,
        renewal,
        lines,
        processes,
    )
    return training, [
        text.valid[i] for i in fitting_valid[: max(CHOICE_PAIRS, BLEU_PAIRS)]
    ]


def _renewal(
    model: TranslationModel, guide: Guide, pairs: NumberedBitext, out: Path
) -> Renewal:
    """Return what finds, in the training text, the links that guide the next round."""
    config = model.config.training
    reading = Reading(config.guide_layer - 1, "full")
    # Every training pair can be aligned: it fits into a batch.
    aligner = Aligner(
        model,
        reading,
        LinkRule(),
        max_length=config.batch_tokens,
        precision=config.precision,
    )

    def renew() -> tuple[Guide, float]:
        started = time.monotonic()
        say(f"next round: aligning {len(pairs)} pairs to be guided by")
        links, agreed = find_links(aligner, pairs, out)
        seconds = time.monotonic() - started
        say(f"aligned in {clock(seconds)}; the directions agree by {agreed:.3f}")
        return guide.with_links(links), agreed

    return renew


def _learn_subwords(train: NumberedBitext, config: Config) -> Subwords:
    started = time.monotonic()
    subwords = Subwords.from_counts(
        train.src.counts(),
        train.tgt.counts(),
        vocab_size=config.subwords.vocab_size,
        algorithm=config.subwords.algorithm,
        joint=config.subwords.joint,
        lowercase=config.subwords.lowercase,
    )
    seconds = time.monotonic() - started
    say(f"subwords: {subwords.vocab_size} learnt in {seconds:.0f} s")
    return subwords


def _encode(
    text: NumberedBitext, subwords: Subwords, config: Config, out: Path
) -> tuple[EncodedBitext, NDArray[np.int64]]:
    """Return the pairs that a batch can hold, encoded, and which ones they are."""
    encoded = encode(text, subwords, out)
    too_long = mapped_zeros(len(encoded), np.bool_, out)
    for side in (encoded.src, encoded.tgt):
        for first in range(0, len(side), BLOCK):
            lengths = side.part(first, first + BLOCK).lengths()
            too_long[first : first + BLOCK] |= lengths >= config.training.batch_tokens
    fitting = places_of_false(too_long, out)
    if len(fitting) < len(encoded):
        say(
            f"left out: {len(encoded) - len(fitting)} pairs with more subwords than "
            f"batch_tokens = {config.training.batch_tokens}"
        )
        encoded = encoded.select(fitting, out)
    if not len(fitting):
        raise CorpusError("no sentence pair fits into a batch")
    return encoded, fitting


def _start_directory(
    out: Path, config: Config, subwords: Subwords, files: TrainingFiles
) -> None:
    """Begin a model directory, without traces of a model that was there."""
    subword_models = ("subwords.model", "subwords.src.model", "subwords.tgt.model")
    others = (CONFIG, META, WEIGHTS, PRIOR, "log.jsonl", *subword_models)
    guides = (out / STATE.parent).glob("guide-*.safetensors")
    for stale in (out / STATE, *guides, *(out / name for name in others)):
        stale.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    save_meta(out, {"files": files.to_meta()})
    save_recipe(out, config, subwords)


def _finish(
    model: TranslationModel,
    valid: Sequence[WordPair],
    state: TrainingState,
    files: TrainingFiles,
    train_text: EncodedBitext,
    out: Path,
) -> TranslationModel:
    """Choose what to read of the attention, measure BLEU, and note it all down."""
    chosen_on = valid[:CHOICE_PAIRS]
    choice = _choose(model, chosen_on, guided=files.guide != "none")
    _say_choice(choice)
    thresholds = _choose_thresholds(model, chosen_on, choice.reading)
    bleu = {"tgt": _bleu(model, valid, "tgt")}
    if model.config.training.direction == "both":
        bleu["src"] = _bleu(model, valid, "src")
    say(
        "BLEU on validation text: "
        + ", ".join(f"into {side} {value:.1f}" for side, value in bleu.items())
    )
    meta = {
        "files": files.to_meta(),
        "seed": model.config.training.seed,
        "alignment": {**choice.to_meta(), "thresholds": thresholds},
        "data": {"pairs": len(train_text), "sha256": train_text.digest()},
        "training": {
            **asdict(state),
            "perplexity": round(math.exp(min(state.best_loss, MAX_EXPONENT)), 4),
            "bleu": {side: round(value, 2) for side, value in bleu.items()},
            "torch": torch.__version__,
        },
    }
    save_meta(out, meta)
    return replace(model, meta=meta)


def _choose(
    model: TranslationModel, valid: Sequence[WordPair], *, guided: bool
) -> Choice:
    config = model.config.training
    pairs = [Segmented.of(pair, model.subwords) for pair in valid]
    guided_layer = config.guide_layer - 1 if guided else None
    if config.direction == "both":
        return choose_by_agreement(model.network, pairs, guided_layer)
    if guided_layer is None:
        return choose_by_norm(model.network, pairs)
    # The highest norm says which layer reads most, not which one was taught to align.
    return Choice(Reading(guided_layer, "full"), "guided", {})


def _choose_thresholds(
    model: TranslationModel, valid: Sequence[WordPair], reading: Reading
) -> dict[str, float]:
    """Return the threshold of each preset; none for a model of one direction."""
    if trained_direction(model) != "both":
        return {}
    aligner = Aligner(model, reading, LinkRule())
    scores = [
        (forward, reverse)
        for forward, reverse in aligner.word_scores(
            [pair for pair in valid if not aligner.problem(pair)]
        )
        if forward is not None and reverse is not None
    ]
    return {name: choose_threshold(scores, beta) for name, beta in PRESETS.items()}


def _say_choice(choice: Choice) -> None:
    if not choice.figures:
        say(f"reading layer {choice.reading.layer + 1}, which was guided")
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
