"""A prior in a file: safetensors, so that nothing is unpickled."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from aligner.errors import ModelError
from aligner.prior.agreement import Direction, Prior
from aligner.prior.cooccurrence import UNSEEN, WordPairs
from aligner.text.output import replacing

DIRECTION_PARTS = ("totals", "null", "jumps")
LEAST_SHARE = 1e-4  # of a word's links; less likely word pairs are left out


def save_prior(path: Path, prior: Prior) -> None:
    """Write a prior, without the word pairs that hardly ever count."""
    kept = _likely(prior)
    arrays: dict[str, NDArray[np.generic]] = {
        "keys": prior.pairs.keys[kept],
        "links": prior.links[kept],
        "src_words": _packed(prior.pairs.src_words),
        "tgt_words": _packed(prior.pairs.tgt_words),
    }
    for name, direction in (("forward", prior.forward), ("reverse", prior.reverse)):
        arrays[f"{name}.totals"] = direction.totals
        arrays[f"{name}.null"] = direction.null
        arrays[f"{name}.jumps"] = direction.jumps
    with replacing(path) as beside:
        beside.write_bytes(save(arrays))


def load_prior(path: Path) -> Prior:
    """Read what `save_prior` wrote.

    Raises:
        ModelError: the file is damaged, or holds something else.
    """
    try:
        arrays = load_file(path)
        src, tgt = _unpacked(arrays["src_words"]), _unpacked(arrays["tgt_words"])
        forward, reverse = (
            Direction(*(arrays[f"{name}.{part}"] for part in DIRECTION_PARTS))
            for name in ("forward", "reverse")
        )
        fitting = (
            len(src) == len(forward.totals) == len(reverse.null)
            and len(tgt) == len(reverse.totals) == len(forward.null)
            and len(arrays["keys"]) == len(arrays["links"])
        )
        if not fitting:
            raise ModelError(f"{path}: expected a prior, but its parts do not fit")
        return Prior(
            WordPairs(src, tgt, arrays["keys"]), arrays["links"], forward, reverse
        )
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a whole safetensors file: {error}") from error
    except KeyError as error:
        raise ModelError(f"{path}: expected a prior, but it has no {error}") from error


def _likely(prior: Prior) -> NDArray[np.bool_]:
    """Return which word pairs make up enough of either word's links."""
    kept: NDArray[np.bool_] = np.zeros(len(prior.links), bool)
    for direction, words in (
        (prior.forward, prior.pairs.src),
        (prior.reverse, prior.pairs.tgt),
    ):
        kept |= prior.links > LEAST_SHARE * direction.totals[words]
    kept[UNSEEN] = True
    return kept


def _packed(words: dict[str, int]) -> NDArray[np.uint8]:
    # Words stand in the order of their numbers, and hold no line ends.
    text = "\n".join(words).encode("utf-8", "surrogatepass")
    return np.frombuffer(text, np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, int]:
    text = packed.tobytes().decode("utf-8", "surrogatepass")
    return {word: number for number, word in enumerate(text.split("\n"))}
