"""What a model finds in its training text: against loops over single words."""

import dataclasses

import numpy as np
import pytest
from small_models import WORDS, random_model

from aligner.extraction import pair_aligner
from aligner.extraction.aligner import Aligner, WordPair
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.reading import Reading
from aligner.prior.prior import estimate
from aligner.prior.soft_links import LEAST_PROBABILITY
from aligner.text.numbered import NumberedBitext
from aligner.training.self_training import find_links


def word_pairs(count: int) -> list[WordPair]:
    rng = np.random.default_rng(6)

    def words() -> list[str]:
        return [WORDS[i] for i in rng.integers(0, len(WORDS), rng.integers(1, 13))]

    return [(words(), words()) for _ in range(count)]


def naive_links(
    aligner: Aligner, pair: WordPair
) -> tuple[dict[tuple[int, int], float], set[object], set[object]]:
    """Return the likely links, and what either direction chooses."""
    (scores,) = aligner.word_scores([pair])
    forward, reverse = scores.forward, scores.reverse
    assert forward is not None
    assert reverse is not None
    links = {}
    for s in range(len(pair[0])):
        for t in range(len(pair[1])):
            one = forward[t, s] / forward[t].sum()
            other = reverse[s, t] / reverse[s].sum()
            if (one + other) / 2 > LEAST_PROBABILITY:
                links[s, t] = (one + other) / 2
    a = {(int(row.argmax()), t) for t, row in enumerate(forward)}
    b = {(s, int(row.argmax())) for s, row in enumerate(reverse)}
    real = range(len(pair[0])), range(len(pair[1]))
    a, b = ({(s, t) for s, t in x if s in real[0] and t in real[1]} for x in (a, b))
    return links, a, b


@pytest.mark.parametrize("chunk", [3, 1000])
def test_equals_the_loop(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_aligner, "CHUNK_PAIRS", chunk)
    pairs = word_pairs(10)
    prior, _ = estimate(NumberedBitext.of(pairs))
    model = dataclasses.replace(random_model(), prior=prior)
    aligner = Aligner(model, Reading(0, "full"))
    found, agreed = find_links(aligner, pairs)
    common = total = 0
    for pair, links in zip(pairs, found, strict=True):
        expected, a, b = naive_links(aligner, pair)
        places = list(zip(links.src.tolist(), links.tgt.tolist(), strict=True))
        assert dict(zip(places, links.probability, strict=True)) == pytest.approx(
            expected, rel=1e-4
        )
        common, total = common + len(a & b), total + len(a) + len(b)
    assert agreed == 2 * common / total
    assert any(len(links.src) > 1 for links in found)


def test_one_direction_is_not_enough() -> None:
    aligner = Aligner(random_model(), rule=LinkRule("forward"))
    with pytest.raises(ValueError, match="both directions"):
        find_links(aligner, word_pairs(1))
