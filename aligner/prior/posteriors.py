"""Both directions' posteriors of a text, and the likely links among them."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aligner.links.matching import power_mean
from aligner.prior.agreement import Model, read
from aligner.prior.cooccurrence import Cells, Ints
from aligner.prior.hmm import Floats
from aligner.prior.soft_links import LEAST_PROBABILITY, GrowingLinks, SoftLinks
from aligner.text.scratch import forgotten

NO_SCORES = np.empty((0, 0), np.float32)


def read_posteriors(
    model: Model, cells: Cells, first: int, last: int
) -> tuple[Floats, Floats]:
    """Return both directions' posteriors of some sentence pairs, by cell."""
    size = int(cells.ends[last] - cells.ends[first])
    forward, reverse = np.empty(size, np.float32), np.empty(size, np.float32)
    read(model, cells, first, last, forward, reverse)
    return forward, reverse


def posteriors_by_pair(model: Model, cells: Cells) -> list[tuple[Floats, Floats]]:
    """Return both directions' posteriors of each sentence pair, NULL last.

    Forward (target words, source words + 1) and reverse (source words, target words +
    1); every row sums to 1. Both (0, 0) where a side is empty.
    """
    forward, reverse = read_posteriors(model, cells, 0, len(cells.ends) - 1)
    results = []
    sizes = zip(np.diff(cells.tgt_ends), np.diff(cells.src_ends), strict=True)
    for shape, (first, last) in zip(sizes, pairwise(cells.ends), strict=True):
        if first == last:
            results.append((NO_SCORES, NO_SCORES))
            continue
        turned = reverse[first:last].reshape(shape).T
        results.append(
            (_with_null(forward[first:last].reshape(shape)), _with_null(turned))
        )
    return results


def _with_null(links: Floats) -> Floats:
    null = np.maximum(1 - links.sum(axis=1, keepdims=True), 0)
    return np.concatenate([links, null], axis=1)


def collect_links(
    model: Model,
    cells: Cells,
    links: GrowingLinks,
    threads: int,
    covers: bool,
) -> None:
    """Add the likely links of all sentence pairs of a text, or of all their words."""

    def run(chunk: tuple[int, int]) -> tuple[Ints, SoftLinks]:
        first, last = chunk
        joint = power_mean(*read_posteriors(model, cells, first, last))
        forgotten(cells.pairs[cells.ends[first] : cells.ends[last]])
        kept = joint > LEAST_PROBABILITY
        if covers:
            _keep_best(kept, joint, cells, first, last)
        found = np.flatnonzero(kept)
        ends = cells.ends[first : last + 1] - cells.ends[first]
        pair = np.searchsorted(ends, found, side="right") - 1
        widths = np.diff(cells.src_ends[first : last + 1])[pair]
        tgt, src = np.divmod(found - ends[pair], widths)
        return np.bincount(pair, minlength=last - first), SoftLinks(
            src.astype(np.int32), tgt.astype(np.int32), joint[found].astype(np.float32)
        )

    with ThreadPoolExecutor(threads, "prior") as pool:
        for counts, found in pool.map(run, cells.chunks()):
            links.append(counts, found)


def _keep_best(
    kept: NDArray[np.bool_], joint: Floats, cells: Cells, first: int, last: int
) -> None:
    """Keep the likeliest link of each word of some sentence pairs."""
    begin = cells.ends[first]
    for pair in range(first, last):
        place = slice(cells.ends[pair] - begin, cells.ends[pair + 1] - begin)
        width = int(cells.src_ends[pair + 1] - cells.src_ends[pair])
        if place.start == place.stop:
            continue
        of_pair, marks = (part[place].reshape(-1, width) for part in (joint, kept))
        marks[np.arange(len(of_pair)), of_pair.argmax(axis=1)] = True
        marks[of_pair.argmax(axis=0), np.arange(width)] = True
