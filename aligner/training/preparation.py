"""What comes before the network's training: text, prior, subwords, the start."""

import logging
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aligner.errors import CorpusError
from aligner.extraction.aligner import WordPair
from aligner.files import clear_leftovers
from aligner.nmt.batching import Batches, encode
from aligner.nmt.checkpoint import (
    CONFIG,
    WEIGHTS,
    TranslationModel,
    load_subwords,
    load_weights,
    save_recipe,
)
from aligner.nmt.config import Config
from aligner.nmt.model_meta import META, ModelMeta, read_meta, save_meta
from aligner.nmt.transformer import Transformer
from aligner.pretrained.prior_with_encoder import save_known
from aligner.pretrained.storage import ENCODER
from aligner.prior.soft_links import TextLinks
from aligner.prior.storage import PRIOR, load_prior
from aligner.text.numbered import NumberedBitext
from aligner.text.ragged import EncodedBitext
from aligner.text.scratch import BLOCK, mapped_full, places_of_false, taken
from aligner.text.subwords import Subwords
from aligner.training.corpus import (
    TrainingFiles,
    TrainingText,
    read_text,
)
from aligner.training.guide import Guide
from aligner.training.guide_links import Guidance, guide_links
from aligner.training.initialisation import start_from_guide
from aligner.training.loop import Training
from aligner.training.processes import Processes
from aligner.training.progress import Listener
from aligner.training.state import STATE
from aligner.training.task import Task

log = logging.getLogger(__name__)
# Where the first of several processes leaves the guide for the others, and a training
# what the prior has found, to be resumed without another estimate.
LINKS = STATE.parent / "links.safetensors"
EXPECTED = STATE.parent / "expected.safetensors"  # where an encoder guides too
VALID_PAIRS = 500  # that are kept as words, to choose and to measure by


def prepare(
    task: Task, device: str, processes: Processes, on_progress: Listener
) -> tuple[TranslationModel, Training, list[WordPair]]:
    """Return a model, its training, and validation pairs; what was words is let go."""
    config, out = task.config, task.out
    text = read_text(task.files, config)
    if processes.is_first:
        subwords, known = _learn_from(text, task, device, processes, on_progress)
        processes.wait()
    else:
        subwords, known = _learnt_by_first(text, task, processes)
    processes.wait()
    if processes.is_first and task.files.guide != "auto":
        (out / LINKS).unlink(missing_ok=True)
    torch.manual_seed(config.training.seed)
    network = Transformer(config.transformer, subwords.vocab_size).to(device)
    if not processes.is_first:
        processes.seed(config.training.seed)
    meta = ModelMeta(expects_prior=known.expected is not None)
    prior = load_prior(out) if task.files.guide == "auto" else None
    model = TranslationModel(config, subwords, network, meta, prior)
    training, valid = _prepare(model, text, known, task, processes)
    if task.goes_on:
        training.resume()
        log.info("resuming at step %d", training.state.updates)
    elif task.resume:
        log.info("no checkpoint yet: training starts from the beginning")
    return model, training, valid


def _learn_from(
    text: TrainingText,
    task: Task,
    device: str,
    processes: Processes,
    on_progress: Listener,
) -> tuple[Subwords, Guidance]:
    """Return what comes before the network; write it to the model directory."""
    files, config, out = task.files, task.config, task.out
    goes_on = task.goes_on
    if is_kept := goes_on and files.guide == "auto" and (out / LINKS).is_file():
        known = _kept(text, task)
    else:
        known = guide_links(files, text, config, device=device, on_progress=on_progress)
    for place in (out, out / STATE.parent):
        clear_leftovers(place)
    if task.resume:
        subwords = load_subwords(out, config)
    else:
        subwords = _subwords(text.train, task)
        _start_directory(out, config, subwords, files, known)
    if not goes_on and known.prior is not None:  # else the text may be another
        save_known(out, known.prior)
    if not is_kept and (files.guide == "auto" or processes.of > 1):
        _keep(known, out)
    return subwords, known


def _keep(known: Guidance, out: Path) -> None:
    if known.links is not None:
        known.links.save(out / LINKS)
    if known.expected is not None and known.expected is not known.links:
        known.expected.save(out / EXPECTED)


def _kept(text: TrainingText, task: Task) -> Guidance:
    """Return what the first process, or the run before, has kept of the same text."""
    out, pairs = task.out, len(text.train)
    links = TextLinks.load(out / LINKS, pairs)
    if not read_meta(out).expects_prior:
        return Guidance(links)
    if task.files.encoder is None:
        return Guidance(links, links)
    return Guidance(links, TextLinks.load(out / EXPECTED, pairs))


def _learnt_by_first(
    text: TrainingText, task: Task, processes: Processes
) -> tuple[Subwords, Guidance]:
    """Return what the first process has learnt, as soon as it has; no prior."""
    out = task.out
    processes.wait()
    subwords = load_subwords(out, task.config)
    guided = task.files.guide != "none"
    return subwords, _kept(text, task) if guided else Guidance()


def existing(out: Path) -> Path:
    """Return the folder on whose disk the model will lie: itself, if it is there."""
    return next(place for place in (out, *out.absolute().parents) if place.is_dir())


def _prepare(
    model: TranslationModel,
    text: TrainingText,
    known: Guidance,
    task: Task,
    processes: Processes,
) -> tuple[Training, list[WordPair]]:
    """Prepare the training of a network: its data, its guide, and a new one's start.

    Returns it with validation pairs that fit into a batch.
    """
    config, subwords = model.config, model.subwords
    train, fitting = _encode(text.train, subwords, config)
    valid, fitting_valid = _encode(text.valid, subwords, config)
    pairs, lines = text.train, text.lines
    links, expected = known.links, known.expected
    if len(fitting) < len(pairs):
        pairs, lines = pairs.select(fitting), taken(lines, fitting)
        told = expected is links
        links = links and links.select(fitting)
        expected = links if told else expected and expected.select(fitting)
    guide = valid_told = None
    start_from = task.files.start_from
    if start_from is not None and not task.goes_on:
        load_weights(Path(start_from), model.network)
        log.info("weights: those of %s", start_from)
    if links is not None:
        guide = Guide.of(pairs, links, subwords, expected)
        if expected is not None and model.prior is not None:
            read = text.valid.select(fitting_valid)
            valid_told = Guide.of(read, model.prior.soft_links(read), subwords)
        if start_from is None and not task.goes_on:
            layer = config.training.guide_layer - 1
            start_from_guide(model.network, train, guide, layer)
    training = Training(
        model.network,
        Batches(train, config.training.direction, config.training.batch_tokens),
        Batches(valid, config.training.direction, config.training.batch_tokens),
        config.training,
        task.out,
        guide,
        lines,
        processes,
        valid_told,
    )
    return training, [text.valid[i] for i in fitting_valid[:VALID_PAIRS]]


def _subwords(train: NumberedBitext, task: Task) -> Subwords:
    """Return the earlier model's subwords, or what is learnt from the text."""
    if task.files.start_from is not None:
        return load_subwords(Path(task.files.start_from), task.config)
    return _learn_subwords(train, task.config)


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
    log.info("subwords: %d learnt in %.0f s", subwords.vocab_size, seconds)
    return subwords


def _encode(
    text: NumberedBitext, subwords: Subwords, config: Config
) -> tuple[EncodedBitext, NDArray[np.int64]]:
    """Return the pairs that a batch can hold, encoded, and which ones they are."""
    encoded = encode(text, subwords)
    too_long = mapped_full(len(encoded), 0, np.bool_)
    for side in (encoded.src, encoded.tgt):
        for first in range(0, len(side), BLOCK):
            lengths = side.part(first, first + BLOCK).lengths()
            too_long[first : first + BLOCK] |= lengths >= config.training.batch_tokens
    fitting = places_of_false(too_long)
    if len(fitting) < len(encoded):
        log.info(
            "left out: %d pairs with more subwords than batch_tokens = %d",
            len(encoded) - len(fitting),
            config.training.batch_tokens,
        )
        encoded = encoded.select(fitting)
    if not len(fitting):
        raise CorpusError("no sentence pair fits into a batch")
    return encoded, fitting


def _start_directory(
    out: Path,
    config: Config,
    subwords: Subwords,
    files: TrainingFiles,
    known: Guidance,
) -> None:
    """Begin a model directory, without traces of a model that was there."""
    subword_models = ("subwords.model", "subwords.src.model", "subwords.tgt.model")
    others = (CONFIG, META, WEIGHTS, PRIOR, ENCODER, "log.jsonl", *subword_models)
    guides = (out / STATE.parent).glob("guide-*.safetensors")  # of earlier versions
    for stale in (
        out / STATE,
        out / LINKS,
        out / EXPECTED,
        *guides,
        *(out / name for name in others),
    ):
        stale.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    expects_prior = known.expected is not None
    save_meta(out, ModelMeta(files=files.to_meta(), expects_prior=expects_prior))
    save_recipe(out, config, subwords)
