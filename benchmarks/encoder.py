"""How well a pretrained encoder aligns, by several methods on the same states.

    pip install '.[encoder]'
    python benchmarks/encoder.py --encoder DIR --set hansards greek --pairs 50000

A set is a directory as `quality.py` has them. The prior is estimated from the
development text and up to N training pairs; the development text is aligned by it, by
the encoder alone as aligner reads it, and by both, and by the rules of SimAlign and of
awesome-align on the encoder's own states, for each of its layers: the one of those that
errs least on that very set, by gold, is reported, which nobody could have chosen. Where
simalign is installed, it aligns by its own default layer too.

Prints a table in Markdown: error rates in % with 95 % intervals, paired differences to
the prior, and how many pairs a second were aligned, what had to be loaded, learnt and
chosen left out. Means over the sets follow.

SimAlign (Jalili Sabet et al. 2020) links pieces that are most alike, by cosine, in both
directions (argmax), or in more rounds among those that are left (itermax).
awesome-align (Dou and Neubig 2021) links those that have more than 0.001 of a softmax
over dot products in both. Words are linked if any of their pieces are.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from quality import development, prepare

from aligner.links.alignment import Alignment, GoldAlignment
from aligner.links.evaluation import bootstrap_intervals, compare, score
from aligner.links.formats import read_gold
from aligner.links.matching import joint_scores, threshold_links
from aligner.pretrained.encoder_evidence import BothWays
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.pretrained.word_encoder import Vectors, WordEncoder
from aligner.prior.prior import estimate
from aligner.prior.thresholds import score_thresholds, threshold_of
from aligner.processors import prepare_environment
from aligner.text.bitext import read_bitext
from aligner.text.numbered import NumberedBitext, WordPair

PART = 64  # pairs of which all layers are held
AWESOME_THRESHOLD = 0.001
ITERMAX_ROUNDS, ITERMAX_DISTORTION = 2, 0.9

Floats = NDArray[np.float32]


def mutual(likeness: Floats) -> NDArray[np.bool_]:
    """Return which places (T, S) are the largest of their row and of their column."""
    rows = likeness == likeness.max(axis=1, keepdims=True)
    found: NDArray[np.bool_] = rows & (likeness == likeness.max(axis=0, keepdims=True))
    return found


def itermax(cosines: Floats) -> NDArray[np.bool_]:
    """Return SimAlign's itermax: mutual maxima, then those among the rest."""
    likeness = (cosines + 1) / 2
    links = mutual(likeness)
    for _ in range(ITERMAX_ROUNDS - 1):
        rows, columns = links.any(axis=1), links.any(axis=0)
        weight = np.ones_like(likeness)
        weight[rows] = ITERMAX_DISTORTION
        weight[:, columns] = ITERMAX_DISTORTION
        weight[np.ix_(rows, columns)] = 0
        rest = likeness * weight
        links |= mutual(rest) & (rest > 0)
    return links


def awesome(products: Floats) -> NDArray[np.bool_]:
    """Return awesome-align's links: shares of both directions above a threshold."""
    shares = []
    for axis in (0, 1):
        raised = np.exp(products - products.max(axis=axis, keepdims=True))
        shares.append(raised / raised.sum(axis=axis, keepdims=True))
    found: NDArray[np.bool_] = np.minimum(*shares) > AWESOME_THRESHOLD
    return found


def of_words(links: NDArray[np.bool_], src: Vectors, tgt: Vectors) -> Alignment:
    """Return the words, (source, target), any of whose pieces (T, S) are linked."""
    by_word = np.logical_or.reduceat(links, tgt.starts, axis=0)
    by_word = np.logical_or.reduceat(by_word, src.starts, axis=1)
    return frozenset((int(i), int(j)) for j, i in np.argwhere(by_word))


def by_rules(
    encoder: WordEncoder, pairs: Sequence[WordPair]
) -> dict[str, list[list[Alignment]]]:
    """Return the links of others' rules, for each layer and pair."""
    layers = range(1, encoder.depth + 1)
    names = ("SimAlign, argmax", "SimAlign, itermax", "awesome-align")
    found: dict[str, list[list[Alignment]]] = {
        name: [[] for _ in layers] for name in names
    }
    for first in range(0, len(pairs), PART):
        part = pairs[first : first + PART]
        vectors = encoder.vectors([side for pair in part for side in pair], layers)
        for src, tgt in zip(vectors[::2], vectors[1::2], strict=True):
            for place in range(len(layers)):
                products = tgt.layers[place] @ src.layers[place].T
                lengths = [np.linalg.norm(v.layers[place], axis=1) for v in (tgt, src)]
                cosines = products / np.outer(*lengths)
                ways = (mutual(cosines), itermax(cosines), awesome(products))
                for name, links in zip(names, ways, strict=True):
                    found[name][place].append(of_words(links, src, tgt))
    return found


def by_simalign(
    encoder: str, pairs: Sequence[WordPair]
) -> Iterator[tuple[str, list[list[Alignment]]]]:
    """Yield the links of SimAlign itself, by its own default layer."""
    from simalign import SentenceAligner

    program = SentenceAligner(encoder, token_type="bpe", matching_methods="ai")
    found = [program.get_word_aligns(list(src), list(tgt)) for src, tgt in pairs]
    for name, key in (("argmax", "inter"), ("itermax", "itermax")):
        yield f"SimAlign itself, {name}", [[frozenset(pair[key]) for pair in found]]


def thresholded(scores: Sequence[BothWays], threshold: float) -> list[Alignment]:
    """Return the links of word scores as `aligner prior` has them."""
    return [threshold_links(joint_scores(*both), threshold) for both in scores]


def alignments(
    text: NumberedBitext, pairs: Sequence[WordPair], encoder: str
) -> Iterator[tuple[str, list[list[Alignment]]]]:
    """Yield each system with its alignments; by layer, where none was chosen."""
    prior = estimate(text)[0]
    yield "prior", [[pair.links for pair in prior.align(pairs)]]
    for name, by_layer in by_rules(WordEncoder.load(encoder), pairs).items():
        yield f"{name}, best layer by gold", by_layer
    if find_spec("simalign"):
        yield from by_simalign(encoder, pairs)
    both = PriorWithEncoder.choose(prior, encoder, text)
    scores = both.evidence.word_scores(pairs)
    threshold = threshold_of("balanced", score_thresholds(scores))
    yield "encoder alone, as aligner reads it", [thresholded(scores, threshold)]
    yield "prior × encoder", [[pair.links for pair in both.align(pairs)]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--set", type=Path, nargs="+", required=True, dest="sets")
    parser.add_argument("--pairs", type=int, default=50_000)
    options = parser.parse_args()
    prepare_environment()
    print("| set | system | AER | P | R | to the prior | layer | pairs/s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    rates: dict[str, list[float]] = {}
    for folder in options.sets:
        dev = development(folder)
        gold = read_gold(folder / "dev.gold", sentences=len(dev))
        pairs = [(src.split(" "), tgt.split(" ")) for src, tgt in dev]
        with tempfile.TemporaryDirectory() as name:
            prepare(folder, options.pairs, Path(name))
            lines = read_bitext(f"{name}/src", f"{name}/tgt")
            text = NumberedBitext.of((s.split(" "), t.split(" ")) for s, t in lines)
        prior: list[Alignment] = []
        started = time.monotonic()
        for system, by_layer in alignments(text, pairs, options.encoder):
            seconds = time.monotonic() - started
            best = min(range(len(by_layer)), key=lambda i: score(gold, by_layer[i]).aer)
            prior = prior or by_layer[best]
            layer = best + 1 if len(by_layer) > 1 else None
            cells = row(folder.name, system, gold, by_layer[best], prior, layer)
            timed = system == "prior × encoder"  # all else loads, or reads all layers
            cells.append(f"{len(pairs) / seconds:.0f}" if timed else "")
            print(f"| {' | '.join(cells)} |", flush=True)
            started = time.monotonic()
            rates.setdefault(system, []).append(score(gold, by_layer[best]).aer)
    for system, values in rates.items():
        print(f"| mean | {system} | {100 * np.mean(values):.1f} | | | | | |")


def row(
    name: str,
    system: str,
    gold: Sequence[GoldAlignment],
    links: Sequence[Alignment],
    prior: Sequence[Alignment],
    layer: int | None,
) -> list[str]:
    """Return one row of the table, but for the speed."""
    result, spread = score(gold, links), bootstrap_intervals(gold, links).aer
    cells = [name, system, percent(result.aer, spread)]
    cells += [f"{100 * value:.1f}" for value in (result.precision, result.recall)]
    if links == prior:
        cells.append("")
    else:
        difference = compare(gold, links, prior)
        cells.append(percent(difference.difference, difference.interval))
    return [*cells, str(layer or "")]


def percent(value: float, interval: tuple[float, float]) -> str:
    """Return a share with its interval."""
    low, high = (100 * limit for limit in interval)
    return f"{100 * value:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
