"""Where a guide says that target subwords should look, against a loop over links."""

import numpy as np
import pytest
import torch
from small_models import WORDS, random_model

from aligner.nmt.batching import Batches, encode
from aligner.prior.soft_links import NO_LINKS, SoftLinks, TextLinks
from aligner.text.numbered import NumberedBitext
from aligner.training.guide import Guide

Pair = tuple[list[str], list[str]]
SUBWORDS = random_model().subwords


def random_pairs(count: int, seed: int = 1) -> tuple[list[Pair], list[SoftLinks]]:
    """Return sentence pairs of words in several pieces, and links of any sum."""
    rng = np.random.default_rng(seed)

    def words() -> list[str]:
        return [WORDS[i] for i in rng.integers(0, len(WORDS), rng.integers(1, 7))]

    pairs = [(words(), words()) for _ in range(count)]
    links = []
    for src, tgt in pairs:
        places = np.argwhere(rng.random((len(src), len(tgt))) < 0.4).astype(np.int32)
        chances = rng.uniform(0.02, 1, len(places)).astype(np.float32)
        links.append(SoftLinks(places[:, 0], places[:, 1], chances))
    return pairs, links


def guide_of(pairs: list[Pair], links: list[SoftLinks]) -> Guide:
    return Guide.of(NumberedBitext.of(pairs), TextLinks.gather(links), SUBWORDS)


def naive_rows(pair: Pair, links: dict[tuple[int, int], float]) -> np.ndarray:
    """Return the rows of one example, (target pieces, source pieces + EOS)."""
    src_pieces = SUBWORDS.encode(pair[0], "src")[1].tolist()
    tgt_pieces = SUBWORDS.encode(pair[1], "tgt")[1].tolist()
    rows = np.zeros((len(tgt_pieces), len(src_pieces) + 1))
    for row, t in zip(rows, tgt_pieces, strict=True):
        total = sum(p for (_, j), p in links.items() if j == t)
        for place, s in enumerate(src_pieces):
            pieces = src_pieces.count(s)
            row[place] = links.get((s, t), 0.0) / pieces / max(total, 1)
        row[-1] = 1 - row[:-1].sum()
    return rows


def as_dict(links: SoftLinks) -> dict[tuple[int, int], float]:
    places = zip(links.src.tolist(), links.tgt.tolist(), strict=True)
    return dict(zip(places, links.probability.tolist(), strict=True))


def test_equals_the_loop_in_both_directions() -> None:
    pairs, links = random_pairs(12)
    guide = guide_of(pairs, links)
    batches = Batches(encode(NumberedBitext.of(pairs), SUBWORDS), "both", 1000)
    examples = np.random.default_rng(2).permutation(24)
    found = guide.attention(examples)
    batch = batches.load(examples)
    assert found.dtype == torch.float32
    assert found.shape == (24, batch.tgt.shape[1] - 1, batch.src.shape[1])
    for rows, example in zip(found.numpy(), examples.tolist(), strict=True):
        pair, known = pairs[example % 12], as_dict(links[example % 12])
        if example >= 12:
            pair, known = pair[::-1], {(t, s): p for (s, t), p in known.items()}
        expected = naive_rows(pair, known)
        t, s = expected.shape
        np.testing.assert_allclose(rows[:t, :s], expected, atol=1e-6)
        assert not rows[t:].any(), "padding looks nowhere"
        assert not rows[:, s:].any(), "nobody looks at padding"


@pytest.mark.parametrize("seed", range(5))
def test_rows_sum_to_one(seed: int) -> None:
    pairs, links = random_pairs(20, seed)
    rows = guide_of(pairs, links).attention(np.arange(40))
    fed = Batches(encode(NumberedBitext.of(pairs), SUBWORDS), "both", 1000).load(
        np.arange(40)
    )
    real = (fed.tgt[:, 1:] != 0).float()
    torch.testing.assert_close(rows.sum(dim=2), real, rtol=0, atol=1e-5)
    assert float(rows.min()) >= 0


def guided(links: dict[tuple[int, int], float], pair: Pair) -> list[list[float]]:
    src, tgt = np.array(list(links), np.int32).reshape(-1, 2).T
    soft = SoftLinks(src, tgt, np.array(list(links.values()), np.float32))
    rows = guide_of([pair], [soft]).attention(np.arange(1))[0]
    return [[round(value, 4) for value in row] for row in rows.tolist()]


def pieces(word: str) -> int:
    return len(SUBWORDS.encode([word], "src")[0])


def test_by_hand() -> None:
    """One word of several pieces, fed in by a word of one: EOS takes what is left."""
    long = max(WORDS, key=pieces)
    short = min(WORDS, key=pieces)
    k, times = pieces(long), pieces(short)
    assert k > 1
    pair = ([long], [short])
    assert guided({}, pair) == [[0.0] * k + [1.0]] * times
    assert guided({(0, 0): 1.0}, pair) == [[round(1 / k, 4)] * k + [0.0]] * times
    assert guided({(0, 0): 0.5}, pair) == [[round(0.5 / k, 4)] * k + [0.5]] * times


def test_several_links_share_a_row() -> None:
    """0.9 and 0.6 become 0.6 and 0.4; together below 1 they stay as they are."""
    word = min(WORDS, key=pieces)
    pair = ([word, word], [word])
    k = pieces(word)
    high = guided({(0, 0): 0.9, (1, 0): 0.6}, pair)[0]
    assert high == pytest.approx([0.6 / k] * k + [0.4 / k] * k + [0.0], abs=2e-4)
    low = guided({(0, 0): 0.3, (1, 0): 0.6}, pair)[0]
    assert low == pytest.approx([0.3 / k] * k + [0.6 / k] * k + [0.1], abs=2e-4)


def test_a_batch_without_any_link_looks_at_eos() -> None:
    pairs, _ = random_pairs(3)
    rows = guide_of(pairs, [NO_LINKS] * 3).attention(np.arange(6))
    fed = Batches(encode(NumberedBitext.of(pairs), SUBWORDS), "both", 1000).load(
        np.arange(6)
    )
    ends = (fed.src == 3).float()[:, None, :]  # EOS
    real = (fed.tgt[:, 1:] != 0).float()[:, :, None]
    torch.testing.assert_close(rows, ends * real)
