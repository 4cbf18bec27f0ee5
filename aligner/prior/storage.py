"""A prior in a file: safetensors, so that nothing is unpickled."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from aligner.errors import CorpusError, ModelError
from aligner.files import replacing
from aligner.prior.hmm import MAX_JUMP
from aligner.prior.known_words import KnownPairs, KnownWords
from aligner.prior.pair_classifier import COLUMNS, PairClassifier
from aligner.prior.prior import Prior
from aligner.terms import PRESETS
from aligner.text.tokenizers import Languages, resolved

PRIOR = "prior.safetensors"  # in a model directory, or one of its own
LETTERS, NULL, JUMPS, THRESHOLDS = "letters", "null", "jumps", "thresholds"
JUNK, LENGTHS = "junk", "lengths"  # how it is told from translations
TOKENIZE, LOWERCASE = "tokenize", "lowercase"
SIDES = ("src", "tgt")
LEAST_SHARE = 1e-5  # of a word's links; less likely word pairs are left out


def save_prior(directory: str | Path, prior: Prior) -> None:
    """Write a prior, without the word pairs that hardly ever count.

    save_prior("priors/enfr", prior)
    prior = load_prior("priors/enfr")

    Args:
        directory: where it is to lie; made if it is not there.
        prior: what was learnt.

    Raises:
        CorpusError: a word holds a line feed.
    """
    folder = Path(directory)
    arrays: dict[str, NDArray[np.generic]] = {
        LETTERS: np.array([spelling.letters for spelling in prior.spellings]),
        NULL: prior.null,
        JUMPS: prior.jumps,
        THRESHOLDS: prior.thresholds,
        "src.by_null": prior.src_by_null,
        "tgt.by_null": prior.tgt_by_null,
    }
    if prior.classifier is not None:
        arrays[JUNK] = prior.classifier.weights
        arrays[LENGTHS] = prior.classifier.lengths
    for spelling in prior.spellings:
        for part, values in _arrays(spelling):
            arrays[f"{spelling.letters}.{part}"] = values
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / PRIOR) as beside:
        beside.write_bytes(save(arrays, _metadata(prior)))


def load_prior(directory: str | Path) -> Prior:
    """Read what `save_prior` or `aligner prior --save` wrote, or a model's prior.

    Raises:
        ModelError: there is none, or the file is damaged, holds something else, NaN,
            or a prior of an earlier version.
    """
    path = Path(directory) / PRIOR
    if not path.exists():
        raise ModelError(f"{directory}: expected a prior, but {PRIOR} is missing")
    try:
        arrays, metadata = load_file(path), _read_metadata(path)
        for name, values in arrays.items():
            if not np.isfinite(values).all():
                raise ModelError(f"{path}: {name}: expected finite numbers, got NaN")
        if "stems.links" in arrays:
            raise ModelError(
                f"{path}: expected a prior of this version of aligner, got one of an "
                f"earlier version; train the model again"
            )
        letters = arrays[LETTERS].tolist()
        prior = Prior(
            tuple(_spelling(number, arrays) for number in letters),
            arrays["src.by_null"],
            arrays["tgt.by_null"],
            # Copies: compiled code is made for arrays that can be written.
            arrays[NULL].copy(),
            arrays[JUMPS].copy(),
            arrays[THRESHOLDS],
            _tokenize(metadata, path),
            _classifier(arrays),
            lowercase=LOWERCASE in metadata,
        )
    except (OSError, SafetensorError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not a whole safetensors file: {error}") from error
    except KeyError as error:
        raise ModelError(f"{path}: expected a prior, but it has no {error}") from error
    if not _fitting(prior):
        raise ModelError(f"{path}: expected a prior, but its parts do not fit")
    return prior


def _metadata(prior: Prior) -> dict[str, str] | None:
    metadata = {} if prior.tokenize is None else {TOKENIZE: " ".join(prior.tokenize)}
    if prior.lowercase:
        metadata[LOWERCASE] = "yes"
    return metadata or None


def _read_metadata(path: Path) -> Mapping[str, str]:
    with safe_open(path, "numpy") as file:
        return file.metadata() or {}


def _tokenize(metadata: Mapping[str, str], path: Path) -> Languages | None:
    """Return the languages of the raw text that a prior was estimated from, if any."""
    stored = metadata.get(TOKENIZE)
    if stored is None:
        return None
    languages = stored.split(" ")
    if len(languages) != 2:
        raise ModelError(f"{path}: {TOKENIZE}: expected two languages, got {stored!r}")
    src, tgt = map(resolved, languages)
    return src, tgt


def _arrays(spelling: KnownPairs) -> Iterator[tuple[str, NDArray[np.generic]]]:
    kept = _likely(spelling)
    yield "keys", spelling.keys[kept]
    yield "links", spelling.links[kept]
    for side in SIDES:
        known: KnownWords = getattr(spelling, side)
        yield f"{side}.words", _packed(known.numbers)
        yield f"{side}.totals", known.totals
        yield f"{side}.counts", known.counts


def _spelling(letters: int, arrays: Mapping[str, NDArray[Any]]) -> KnownPairs:
    src, tgt = (
        KnownWords(
            _unpacked(arrays[f"{letters}.{side}.words"]),
            arrays[f"{letters}.{side}.totals"],
            arrays[f"{letters}.{side}.counts"],
        )
        for side in SIDES
    )
    keys, links = arrays[f"{letters}.keys"], arrays[f"{letters}.links"]
    return KnownPairs(letters, src, tgt, keys, links)


def _classifier(arrays: Mapping[str, NDArray[Any]]) -> PairClassifier | None:
    """Return what tells translations from junk, if it is there."""
    if JUNK not in arrays:
        return None
    # A copy: compiled code is made for arrays that can be written.
    return PairClassifier(arrays[JUNK].copy(), arrays[LENGTHS])


def _fitting(prior: Prior) -> bool:
    """Return whether the arrays have the sizes that belong together."""
    if not prior.spellings:
        return False
    words = prior.spellings[0]
    return (
        all(
            len(known.numbers) == len(known.totals) == len(known.counts)
            for spelling in prior.spellings
            for known in (spelling.src, spelling.tgt)
        )
        and all(len(known.keys) == len(known.links) for known in prior.spellings)
        and len(prior.src_by_null) == len(words.src.numbers)
        and len(prior.tgt_by_null) == len(words.tgt.numbers)
        and prior.null.shape == (2,)
        and prior.thresholds.shape == (len(PRESETS),)
        and prior.jumps.shape == (2, 2 * MAX_JUMP + 1)
        and (prior.classifier is None or _is_whole(prior.classifier))
    )


def _is_whole(classifier: PairClassifier) -> bool:
    kinds = len(classifier.weights)
    shapes = classifier.weights.shape, classifier.lengths.shape
    return kinds > 0 and shapes == ((kinds, COLUMNS), (2,))


def _likely(spelling: KnownPairs) -> NDArray[np.bool_]:
    """Return which word pairs make up enough of either word's links."""
    tgt, src = np.divmod(spelling.keys, max(len(spelling.src.numbers), 1))
    kept: NDArray[np.bool_] = spelling.links > LEAST_SHARE * spelling.src.totals[src]
    kept |= spelling.links > LEAST_SHARE * spelling.tgt.totals[tgt]
    return kept


def _packed(words: dict[str, int]) -> NDArray[np.uint8]:
    # Words stand in the order of their numbers.
    if strange := next((word for word in words if "\n" in word), None):
        raise CorpusError(f"expected words without line feeds, got {strange!r}")
    text = "".join(f"{word}\n" for word in words).encode("utf-8", "surrogatepass")
    return np.frombuffer(text, np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> dict[str, int]:
    text = packed.tobytes().decode("utf-8", "surrogatepass")
    return {word: number for number, word in enumerate(text.split("\n")[:-1])}
