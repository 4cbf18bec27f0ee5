"""A prior in a file: safetensors, so that nothing is unpickled."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from aligner.errors import CorpusError, ModelError
from aligner.files import replacing
from aligner.prior.agreement import AgreementModel, Direction
from aligner.prior.cooccurrence import UNSEEN, WordPairs, parts
from aligner.prior.prior import Prior

MODELS = ("words", "stems")
DIRECTIONS = ("forward", "reverse")
DIRECTION_PARTS = ("totals", "null", "jumps")
LETTERS = "stem_letters"
FORMER_LETTERS = 6  # of beginnings, in files that do not say
LEAST_SHARE = 1e-5  # of a word's links; less likely word pairs are left out


def save_prior(path: Path, prior: Prior) -> None:
    """Write a prior, without the word pairs that hardly ever count.

    Raises:
        CorpusError: a word holds a line feed.
    """
    arrays: dict[str, NDArray[np.generic]] = {LETTERS: np.array([prior.letters])}
    for name in MODELS:
        for part, values in _arrays(getattr(prior, name)):
            arrays[f"{name}.{part}"] = values
    with replacing(path) as beside:
        beside.write_bytes(save(arrays))


def load_prior(path: Path) -> Prior:
    """Read what `save_prior` wrote.

    Raises:
        ModelError: the file is damaged, holds something else, or NaN.
    """
    try:
        arrays = load_file(path)
        for name, values in arrays.items():
            if not np.isfinite(values).all():
                raise ModelError(f"{path}: {name}: expected finite numbers, got NaN")
        words, stems = (_model(name, arrays, path) for name in MODELS)
        return Prior(words, stems, int(arrays.get(LETTERS, [FORMER_LETTERS])[0]))
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a whole safetensors file: {error}") from error
    except KeyError as error:
        raise ModelError(f"{path}: expected a prior, but it has no {error}") from error


def _arrays(model: AgreementModel) -> Iterator[tuple[str, NDArray[np.generic]]]:
    kept = _likely(model)
    yield "keys", model.pairs.keys[kept]
    yield "links", model.links[kept]
    yield "src_words", _packed(model.pairs.src_words)
    yield "tgt_words", _packed(model.pairs.tgt_words)
    for name in DIRECTIONS:
        for part in DIRECTION_PARTS:
            yield f"{name}.{part}", getattr(getattr(model, name), part)


def _model(name: str, arrays: Mapping[str, NDArray[Any]], path: Path) -> AgreementModel:
    src = _unpacked(arrays[f"{name}.src_words"])
    tgt = _unpacked(arrays[f"{name}.tgt_words"])
    keys, links = arrays[f"{name}.keys"], arrays[f"{name}.links"]
    forward, reverse = (
        Direction(*(arrays[f"{name}.{side}.{part}"] for part in DIRECTION_PARTS))
        for side in DIRECTIONS
    )
    fitting = (
        len(src) == len(forward.totals) == len(reverse.null)
        and len(tgt) == len(reverse.totals) == len(forward.null)
        and len(keys) == len(links)
    )
    if not fitting:
        raise ModelError(f"{path}: expected a prior, but its parts do not fit")
    return AgreementModel(WordPairs(src, tgt, keys), links, forward, reverse)


def _likely(model: AgreementModel) -> NDArray[np.bool_]:
    """Return which word pairs make up enough of either word's links."""
    kept: NDArray[np.bool_] = np.zeros(len(model.links), bool)
    totals = (model.forward.totals, model.reverse.totals)
    for part in parts(len(kept)):
        for of_word, words in zip(totals, model.pairs.of_words(part), strict=True):
            kept[part] |= model.links[part] > LEAST_SHARE * of_word[words]
    kept[UNSEEN] = True
    return kept


def _packed(words: dict[str, int]) -> NDArray[np.uint8]:
    # Words stand in the order of their numbers.
    if strange := next((word for word in words if "\n" in word), None):
        raise CorpusError(f"expected words without line feeds, got {strange!r}")
    text = "\n".join(words).encode("utf-8", "surrogatepass")
    return np.frombuffer(text, np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, int]:
    text = packed.tobytes().decode("utf-8", "surrogatepass")
    return {word: number for number, word in enumerate(text.split("\n"))}
