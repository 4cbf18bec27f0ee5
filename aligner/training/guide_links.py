"""The links that guide a training: a prior's, or those of a file."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aligner.errors import ConfigError, LinkFormatError
from aligner.links.formats import parse_pharaoh
from aligner.nmt.config import Config
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.prior import Prior, estimate
from aligner.prior.soft_links import SoftLinks, TextLinks
from aligner.prior.storage import load_prior
from aligner.text.bitext import read_lines
from aligner.text.dictionary import read_dictionary
from aligner.text.numbered import NumberedBitext
from aligner.training.corpus import TrainingFiles, TrainingText
from aligner.training.progress import (
    EncoderShare,
    Listener,
    PriorPass,
    clock,
    unheard,
)

Ints = NDArray[np.int64]

log = logging.getLogger(__name__)


class Guidance(NamedTuple):
    """What is known of a training text before the network's training.

    Attributes:
        links: of each pair, which guide the training; None where nothing does.
        expected: those that a prior expects by itself, as it will when the model
            aligns; None where the links are not a prior's.
        prior: where they come from, with the encoder, if there is one.
    """

    links: TextLinks | None = None
    expected: TextLinks | None = None
    prior: Prior | PriorWithEncoder | None = None


def guide_links(
    files: TrainingFiles,
    text: TrainingText,
    config: Config,
    *,
    device: str = "cpu",
    on_progress: Listener = unheard,
) -> Guidance:
    """Return the links that guide the training, for each pair to train on.

    Args:
        files: where the links come from.
        text: the training text.
        config: the recipe.
        device: where an encoder runs.
        on_progress: told how far it is.

    Raises:
        ConfigError: the guide is neither a keyword nor a file.
        CorpusError: the dictionary has a line that is no entry.
        ModelError: the encoder, or the earlier model's prior, cannot be read.
        LinkFormatError: a guide from a file does not fit the text.
    """
    if files.guide == "none":
        return Guidance()
    if files.guide != "auto":
        return Guidance(TextLinks.gather(_read_guide(files.guide, text)))
    dictionary = None
    if files.dictionary is not None:
        dictionary = read_dictionary(files.dictionary, files.tokenize)
    train = text.train
    if config.subwords.lowercase:
        train = train.renamed(str.lower)
        dictionary = dictionary and dictionary.renamed(str.lower)
    earlier = None if files.start_from is None else load_prior(files.start_from)
    encoder = None
    if files.encoder is not None:
        encoder = WordEncoder.load(files.encoder, device, config.training.precision)
    prior, expected = estimate(
        train,
        lambda *done: on_progress(PriorPass(*done)),
        dictionary=dictionary,
        earlier=earlier,
    )
    lowercase = config.subwords.lowercase
    prior = replace(prior, tokenize=files.tokenize, lowercase=lowercase)
    if encoder is None:
        return Guidance(expected, expected, prior)
    both = PriorWithEncoder.choose(prior, encoder, train)
    started = time.monotonic()
    links = both.soft_links(train, lambda *done: on_progress(EncoderShare(*done)))
    log.info("encoder: all pairs read in %s", clock(time.monotonic() - started))
    return Guidance(links, expected, both)


def _read_guide(path: str, text: TrainingText) -> Iterator[SoftLinks]:
    """Read Pharaoh lines, and check them line by line against the training text."""
    if path != "-" and not (Path(path).exists() and not Path(path).is_dir()):
        raise ConfigError(f"guide {path}: expected auto, none, or an existing file")
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
        log.warning("%s: %d of %d lines have no links", path, blank, total)


def _outside(links: Sequence[tuple[int, int]], text: NumberedBitext, place: int) -> str:
    """Return what is wrong with the links of a pair, or an empty string."""
    src, tgt = len(text.src.numbers[place]), len(text.tgt.numbers[place])
    for i, j in links:
        if i >= src or j >= tgt:
            return f"expected links within {src} and {tgt} words, got {i}-{j}"
    return ""
