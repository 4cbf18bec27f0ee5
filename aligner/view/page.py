"""A page that shows sentence pairs: their links, and what the attention holds of them.

One HTML file that needs no other and no network: `page.html` with the data put in, as
JSON. A matrix is stored as 16-bit integers, as fractions of its largest value, so that
a pair of 60 words, with all heads of a small model, stays around a megabyte.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from aligner.extraction.forced_decoding import ForcedBatch, forced_batches, unpadded
from aligner.extraction.reading import Reading, records_of
from aligner.extraction.ways import Way, Ways
from aligner.links.alignment import Alignment, GoldAlignment, Link
from aligner.links.evaluation import score
from aligner.nmt.attention import AttentionRecord
from aligner.terms import OneWay, Score
from aligner.text.numbered import WordPair

Kind = Literal["correct", "possible", "wrong", "missed", "link"]
# (..., heads + 1, written words, read words + 1): all heads together, then each.
Heads: TypeAlias = NDArray[np.float32]
ShownFirst: TypeAlias = Mapping[OneWay, Reading]

SHOWN_SCORES: tuple[Score, ...] = ("weight", "norm")
LARGEST = 65535  # of 16 bits
HEATMAP_WORDS = 100  # on a side; beyond, a browser takes seconds to draw the cells


class ShownPair(NamedTuple):
    """A sentence pair to show.

    Attributes:
        number: its line in the text, from 1.
        words: the words of both sides.
        links: the links to draw.
        gold: what they are compared with, if anything.
        problem: why there are no heatmaps, or an empty string.
    """

    number: int
    words: WordPair
    links: Alignment
    gold: GoldAlignment | None = None
    problem: str = ""


@dataclass(frozen=True)
class Heading:
    """What a page says of itself.

    Attributes:
        title: a line.
        about: the model and the files, by what they are.
    """

    title: str
    about: Mapping[str, str]


def viewer_page(
    heading: Heading,
    ways: Ways,
    pairs: Sequence[ShownPair],
    shown_first: ShownFirst,
) -> str:
    """Return the page that shows some sentence pairs, as HTML.

    Args:
        heading: what it says of itself.
        ways: the directions of the model, or of two.
        pairs: what is shown.
        shown_first: the layer and rows of each direction that are shown at first.
    """
    content = {
        **asdict(heading),
        "ways": {name: _choices(ways[name], shown_first[name]) for name in ways},
        "pairs": pair_data(ways, pairs, shown_first),
    }
    template = files("aligner.view").joinpath("page.html").read_text("utf-8")
    before, after = template.split("{{data}}")
    # Names of files that are not UTF-8 could not be written.
    title = escape(heading.title).encode("utf-8", "replace").decode()
    return before.replace("{{title}}", title) + script_json(content) + after


def script_json(content: Any) -> str:
    """Return JSON that can stand in a `<script>`: ASCII, without `<`, `>` and `&`."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def pair_data(
    ways: Ways, pairs: Sequence[ShownPair], shown_first: ShownFirst
) -> list[dict[str, Any]]:
    """Return what the page is told of each pair: values of JSON's types only."""
    problems = [pair.problem or _too_many_words(pair.words) for pair in pairs]
    good = [
        pair.words for pair, problem in zip(pairs, problems, strict=True) if not problem
    ]
    scores = iter(attention_scores(ways, good, shown_first))
    return [
        {
            "number": pair.number,
            "src": list(pair.words[0]),
            "tgt": list(pair.words[1]),
            "problem": problem,
            "aer": score([pair.gold], [pair.links]).aer if pair.gold else None,
            "links": [
                [*link, kind] for link, kind in link_kinds(pair.links, pair.gold)
            ],
            # Possible links that are not drawn; a cell's description tells of them.
            "unused": sorted(_unused(pair)),
            "scores": {} if problem else _packed(next(scores)),
        }
        for pair, problem in zip(pairs, problems, strict=True)
    ]


def link_kinds(
    links: Alignment, gold: GoldAlignment | None = None
) -> list[tuple[Link, Kind]]:
    """Return all links to draw, sorted, with how they compare with the gold.

    Found and sure: correct; found and only possible: possible; found but neither:
    wrong; sure but not found: missed. Without gold they are links, no more.
    """
    if gold is None:
        return [(link, "link") for link in sorted(links)]
    return [(link, _kind(link, links, gold)) for link in sorted(links | gold.sure)]


def _kind(link: Link, links: Alignment, gold: GoldAlignment) -> Kind:
    if link not in links:
        return "missed"
    if link in gold.sure:
        return "correct"
    return "possible" if link in gold.possible else "wrong"


def _unused(pair: ShownPair) -> Alignment:
    if pair.gold is None:
        return frozenset()
    return pair.gold.possible - pair.gold.sure - pair.links


def _too_many_words(words: WordPair) -> str:
    longest = max(map(len, words))
    if longest <= HEATMAP_WORDS:
        return ""
    return f"{longest} words on a side are too many to draw, more than {HEATMAP_WORDS}"


def readings(way: Way, shown_first: Reading) -> list[Reading]:
    """Return the layers and rows to choose from, what is shown first among them."""
    found = way.readings()
    first = Reading(shown_first.layer, shown_first.rows)
    return found if first in found else [*found, first]


def _choices(way: Way, shown_first: Reading) -> dict[str, Any]:
    """Return what can be selected in a direction: layers from 0 with rows, heads."""
    return {
        "heads": way.network.heads,
        "readings": [[r.layer, r.rows] for r in readings(way, shown_first)],
        "first": [shown_first.layer, shown_first.rows],
    }


def attention_scores(
    ways: Ways, pairs: Sequence[WordPair], shown_first: ShownFirst
) -> list[dict[str, Heads]]:
    """Return each pair's scores between words, by direction, layer, rows and score.

    Keys are such as `forward 0 awi norm`; NULL is each matrix's last column.
    """
    results: list[dict[str, Heads]] = [{} for _ in pairs]
    for direction, way in ways.items():
        found = _read(way, pairs, readings(way, shown_first[direction]))
        for result, by_reading in zip(results, found, strict=True):
            for key, heads in by_reading.items():
                result[f"{direction} {key}"] = heads
    return results


@torch.inference_mode()
def _read(
    way: Way, pairs: Sequence[WordPair], choices: Sequence[Reading]
) -> list[dict[str, Heads]]:
    """Return what `attention_scores` does, of one direction."""
    results: list[dict[str, Heads]] = [{} for _ in pairs]
    cut, network = [way.cut(pair) for pair in pairs], way.network
    for batch in forced_batches(cut, way.tag, network.device):
        for choice, record in records_of(network, batch, choices):
            for shown in SHOWN_SCORES:
                scores = _of_all_heads(replace(choice, score=shown), record, batch)
                for index, heads in unpadded(scores, batch, cut):
                    results[index][f"{choice.layer} {choice.rows} {shown}"] = heads
    return results


def _of_all_heads(
    reading: Reading, record: AttentionRecord, batch: ForcedBatch
) -> Heads:
    """Return scores (B, heads + 1, written words, read words + 1): first of all."""
    heads = (None, *range(record.weights.shape[1]))
    each = [replace(reading, head=head).word_scores(record, batch) for head in heads]
    return torch.stack(each, dim=1).cpu().numpy()


def _packed(scores: Mapping[str, Heads]) -> dict[str, list[dict[str, Any]]]:
    return {key: [pack(matrix) for matrix in heads] for key, heads in scores.items()}


def pack(matrix: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Return a matrix, not negative, as 16-bit fractions of its largest value."""
    largest = float(matrix.max())
    scaled = matrix / largest if largest > 0 else matrix
    whole = np.rint(scaled * LARGEST).astype("<u2")
    return {"max": largest, "data": base64.b64encode(whole.tobytes()).decode()}
