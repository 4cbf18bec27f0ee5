"""What the prior knows beside the text: a dictionary's entries, and an earlier text."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from aligner.links.alignment import Alignment
from aligner.links.evaluation import score
from aligner.prior import estimation
from aligner.prior import prior as prior_module
from aligner.prior.cooccurrence import gather_spellings
from aligner.prior.earlier import earlier_of, together
from aligner.prior.estimation import ENTRY, NULL
from aligner.prior.known_words import KnownPairs, spell
from aligner.prior.prior import LETTERS, Prior, estimate, estimate_prior
from aligner.sample.grammar import SamplePair, sample_corpus
from aligner.terms import Preset
from aligner.text.numbered import NumberedBitext

Pair = tuple[Sequence[str], Sequence[str]]


def pairs_of(corpus: Sequence[SamplePair]) -> list[Pair]:
    return [(pair.src, pair.tgt) for pair in corpus]


def expected_links(known: KnownPairs) -> dict[tuple[str, str], float]:
    src, tgt = list(known.src.numbers), list(known.tgt.numbers)
    places = (divmod(key, len(src)) for key in known.keys.tolist())
    links = zip(places, known.links.tolist(), strict=True)
    return {(src[s], tgt[t]): n for (t, s), n in links}


def links_of(
    prior: Prior, src: str, tgt: str, preset: Preset = "balanced"
) -> Alignment:
    [pair] = prior.align([(src.split(), tgt.split())], preset)
    return pair.links


# A dictionary

CROSSED = "the xylo sees the quorn .", "der Mabel sieht der Trint ."
TEXT = [*pairs_of(sample_corpus(300)), (CROSSED[0].split(), CROSSED[1].split())]
ENTRIES: list[Pair] = [(["xylo"], ["Trint"]), (["quorn"], ["Mabel"])]


def test_words_seen_once_are_aligned_by_an_entry() -> None:
    """Xylo and quorn meet Mabel and Trint once, in the other order."""
    right, wrong = {(1, 4), (4, 1)}, {(1, 1), (4, 4)}
    assert links_of(estimate_prior(TEXT), *CROSSED) >= wrong
    found = links_of(estimate_prior(TEXT, ENTRIES), *CROSSED)
    assert found >= right
    assert not found & wrong
    _, links = estimate(NumberedBitext.of(TEXT), dictionary=NumberedBitext.of(ENTRIES))
    assert len(links) == len(TEXT), "entries have none"


def test_words_may_be_several() -> None:
    sentence = "the xylo kicks the bucket now .", "jetzt Trint verpopelt der ."
    text = [*TEXT, (sentence[0].split(), sentence[1].split())]
    assert (4, 2) not in links_of(estimate_prior(text), *sentence, "recall")
    entry = ["kicks", "the", "bucket"], ["verpopelt"]
    found = links_of(estimate_prior(text, [entry]), *sentence, "recall")
    assert found >= {(2, 2), (4, 2)}


def test_an_entry_counts_by_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked by hand: one iteration, each word with two possible partners.

    Under its partner a word has the probability 1/2, under NULL its share of the text:
    1, and of a word that only the dictionary has, none.
    """
    monkeypatch.setattr(estimation, "LEXICAL_ITERATIONS", 1)
    monkeypatch.setattr(estimation, "HMM_ITERATIONS", 0)
    monkeypatch.setattr(prior_module, "LETTERS", (0,))
    (known,) = estimate_prior([(["a"], ["A"])], [(["b"], ["B"])]).spellings
    share = (1 - NULL) / 2 / ((1 - NULL) / 2 + NULL)
    expected = {("a", "A"): share**2, ("b", "B"): 2 * ENTRY}
    assert expected_links(known) == pytest.approx(expected, rel=1e-4)
    for words, names in ((known.src, "ab"), (known.tgt, "AB")):
        assert list(words.numbers) == [*names]
        assert words.totals.tolist() == pytest.approx([*expected.values()], rel=1e-4)
        assert words.counts.tolist() == [1, 0]


def test_entries_say_nothing_of_order_null_or_thresholds() -> None:
    foreign: list[Pair] = [([f"x{i}", "y"], ["z", f"w{i}"]) for i in range(100)]
    alone, beside = estimate_prior(TEXT), estimate_prior(TEXT, foreign)
    np.testing.assert_allclose(beside.null, alone.null, rtol=0.05)
    np.testing.assert_allclose(beside.jumps, alone.jumps, rtol=0.05)
    np.testing.assert_allclose(beside.thresholds, alone.thresholds, atol=0.05)


def test_what_an_entry_says_of_frequent_words_is_kept() -> None:
    """Though they meet nowhere in the text, where such pairs are left out."""
    text: list[Pair] = [(["aaaaa"], ["bbbbb"]), (["ccccc"], ["ddddd"])] * 20
    (words, *_) = estimate_prior(text, [(["aaaaa"], ["ddddd"])]).spellings
    assert expected_links(words)["aaaaa", "ddddd"] > ENTRY


# An earlier text


@pytest.fixture(scope="module")
def corpora() -> tuple[list[SamplePair], list[SamplePair], list[SamplePair]]:
    pairs = sample_corpus(1700)
    return pairs[:1000], pairs[1000:1200], pairs[1200:]


def error_rate(prior: Prior, test: list[SamplePair]) -> float:
    found = [pair.links for pair in prior.align(pairs_of(test))]
    return score([pair.gold for pair in test], found).aer


def test_a_new_text_adds_to_what_is_known(
    corpora: tuple[list[SamplePair], list[SamplePair], list[SamplePair]],
) -> None:
    """Links are as good as if all had been learnt from at once."""
    old, new, test = corpora
    earlier = estimate_prior(pairs_of(old))
    both, links = estimate(NumberedBitext.of(pairs_of(new)), earlier=earlier)
    assert len(links) == len(new)
    alone = error_rate(estimate_prior(pairs_of(new)), test)
    whole = error_rate(estimate_prior(pairs_of([*old, *new])), test)
    found = error_rate(both, test)
    assert found < alone - 0.02
    assert found < whole + 0.005
    at_once = estimate_prior(pairs_of([*old, *new]))
    for one, other in zip(both.spellings, at_once.spellings, strict=True):
        assert one.src.numbers.keys() == other.src.numbers.keys()
        assert one.tgt.numbers.keys() == other.tgt.numbers.keys()
        assert one.src.counts.sum() == other.src.counts.sum()
        assert one.links.sum() == pytest.approx(other.links.sum(), rel=0.02)
    np.testing.assert_allclose(both.null, at_once.null, atol=0.01)
    np.testing.assert_allclose(both.jumps, at_once.jumps, atol=0.02)
    for by_null in (both.src_by_null, both.tgt_by_null):
        assert by_null.sum() == pytest.approx(1, abs=1e-3)


def test_words_of_a_new_text_are_looked_up(
    corpora: tuple[list[SamplePair], list[SamplePair], list[SamplePair]],
) -> None:
    """Pair by pair, but for what a spelling does not tell apart in the new text."""
    prior = estimate_prior(pairs_of(corpora[0][:100]))
    text = NumberedBitext.of(pairs_of(corpora[1]))
    spells = [partial(spell, letters=letters) for letters in LETTERS]
    spellings, pairs, cells = gather_spellings(text, spells)
    model, share = earlier_of(prior.learnt, spellings, pairs, cells)
    words = list(pairs.src_words), list(pairs.tgt_words)
    counts = [text.src.counts(), text.tgt.counts()]
    for column, (known, spelling) in enumerate(
        zip(prior.spellings, spellings, strict=True)
    ):
        links, told = expected_links(known), len(spelling.of_pair)
        spelt = [[spells[column](word) for word in side] for side in words]
        for number, (s, t) in enumerate(zip(pairs.src, pairs.tgt, strict=True)):
            expected = links.get((spelt[0][s], spelt[1][t]), 0) if number < told else 0
            assert model.links[number, column] == expected
        for place, (side, of_side) in enumerate(
            ((model.src, known.src), (model.tgt, known.tgt))
        ):
            alike: dict[str, float] = defaultdict(float)
            for word, n in counts[place].items():
                alike[spells[column](word)] += n
            before = prior.spellings[0][place + 1]
            for number, word in enumerate(words[place]):
                name = spelt[place][number]
                known_as = of_side.numbers.get(name)
                whole = alike[name]
                whole += 0 if known_as is None else of_side.counts[known_as]
                here = before.numbers.get(word)
                own = counts[place][word]
                own += 0 if here is None else before.counts[here]
                assert side.shares[number, column] == pytest.approx(own / whole)
    assert len(spellings[0].of_pair) < len(pairs.src)
    now, then = sum(counts[1].values()), sum(len(p.tgt) for p in corpora[0][:100])
    assert share[0] == pytest.approx(then / (then + now))


def test_counts_of_two_texts_are_added_up(
    corpora: tuple[list[SamplePair], list[SamplePair], list[SamplePair]],
) -> None:
    """Word by word, and pair by pair."""
    one, other = (estimate_prior(pairs_of(part[:100])) for part in corpora[:2])
    both = together(one.learnt, other.learnt)
    for spelling, known in enumerate(both.spellings):
        parts = one.spellings[spelling], other.spellings[spelling]
        links: dict[tuple[str, str], float] = defaultdict(float)
        for part in parts:
            for pair, n in expected_links(part).items():
                links[pair] += n
        assert expected_links(known) == pytest.approx(links)
        assert (np.diff(known.keys) > 0).all()
        for side in ("src", "tgt"):
            counts: dict[str, float] = defaultdict(float)
            for part in parts:
                words = getattr(part, side)
                for word, count in zip(words.numbers, words.counts, strict=True):
                    counts[word] += count
            found = getattr(known, side)
            numbers = found.numbers
            assert [*numbers.values()] == [*range(len(numbers))]
            assert dict(zip(numbers, found.counts, strict=True)) == counts
