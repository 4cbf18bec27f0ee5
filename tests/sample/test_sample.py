"""The sample corpus is the other tests' oracle: its own links must be beyond doubt."""

import random
from itertools import pairwise

import pytest

from aligner.sample.grammar import SamplePair, _Grammar, sample_corpus
from aligner.sample.lexicon import COMPOUNDS, NOUNS, VERBS
from aligner.sample.phrases import COMMA, Clause, Phrase
from aligner.sample.verbs import lexical_verb, liked, negated, profession


@pytest.fixture(scope="module")
def corpus() -> list[SamplePair]:
    return sample_corpus(20_000)


def links(pair: SamplePair, possible: bool = False) -> set[tuple[str, str]]:
    chosen = pair.gold.possible - pair.gold.sure if possible else pair.gold.sure
    return {(pair.src[i], pair.tgt[j]) for i, j in chosen}


def test_pairs_are_distinct(corpus: list[SamplePair]) -> None:
    assert len({(p.src, p.tgt) for p in corpus}) == len(corpus) == 20_000


def test_seed_decides(corpus: list[SamplePair]) -> None:
    assert sample_corpus(300) == corpus[:300]
    assert sample_corpus(300, seed=2) != corpus[:300]
    assert sample_corpus(0) == []


def test_links_fit_the_sentences(corpus: list[SamplePair]) -> None:
    for pair in corpus:
        assert 4 <= len(pair.src) <= 16
        assert pair.gold.sure <= pair.gold.possible
        for i, j in pair.gold.possible:
            assert 0 <= i < len(pair.src)
            assert 0 <= j < len(pair.tgt)


def test_words_are_single_tokens(corpus: list[SamplePair]) -> None:
    for pair in corpus:
        assert all(w and w == w.strip() and " " not in w for w in pair.src + pair.tgt)
        assert pair.src[0][0] == pair.src[0][0].upper()
        assert pair.tgt[0][0] == pair.tgt[0][0].upper()
        assert pair.src[-1] == pair.tgt[-1]
        assert pair.src[-1] in {".", "!", "?"}


def test_only_expected_words_are_without_links(corpus: list[SamplePair]) -> None:
    for pair in corpus:
        linked_src = {i for i, _ in pair.gold.possible}
        linked_tgt = {j for _, j in pair.gold.possible}
        unlinked_src = {w for i, w in enumerate(pair.src) if i not in linked_src}
        unlinked_tgt = {w for j, w in enumerate(pair.tgt) if j not in linked_tgt}
        assert unlinked_src <= {"a", "an"}
        assert unlinked_tgt <= {",", "die", "das"}


def test_commas_are_well_placed(corpus: list[SamplePair]) -> None:
    for pair in corpus:
        for word, following in pairwise(pair.tgt):
            assert word != "," or following not in {",", ".", "!", "?"}


def test_names_and_numbers_are_copied_and_open(corpus: list[SamplePair]) -> None:
    seen = {w for p in corpus[:6000] for w in p.src}
    held_out = [w for p in corpus[6000:7000] for w in p.src if w not in seen]
    assert len(held_out) > 200  # words that training never saw
    for pair in corpus:
        for i, word in enumerate(pair.src):
            if word.isdigit():
                assert [pair.tgt[j] for s, j in pair.gold.sure if s == i] == [word]


@pytest.mark.parametrize(
    ("src", "tgt", "share"),
    [
        ("garden", "Gartentisch", 0.005),  # a compound
        ("closes", "zu", 0.0005),  # a separable verb
        ("on", "auf", 0.001),
        ("lot", "viele", 0.004),  # phrases
        ("course", "Natürlich", 0.01),
        ("There", "Es", 0.03),
        ("likes", "gern", 0.01),  # a verb that becomes an adverb
        ("who", "der", 0.005),
        ("because", "weil", 0.02),
        ("that", "dass", 0.03),
        ("the", "dem", 0.01),
    ],
)
def test_phenomena_are_present(
    corpus: list[SamplePair], src: str, tgt: str, share: float
) -> None:
    found = sum((src, tgt) in links(pair) for pair in corpus)
    assert found >= share * len(corpus)


def test_main_phenomena_are_frequent(corpus: list[SamplePair]) -> None:
    def crosses(pair: SamplePair) -> bool:
        ordered = sorted(pair.gold.sure)
        return any(a[1] > b[1] for a, b in pairwise(ordered))

    many_to_one = sum(
        len({j for _, j in p.gold.sure}) < len(p.gold.sure) for p in corpus
    )
    one_to_many = sum(
        len({i for i, _ in p.gold.sure}) < len(p.gold.sure) for p in corpus
    )
    assert sum(map(crosses, corpus)) > 0.5 * len(corpus)
    assert many_to_one > 0.15 * len(corpus)
    assert one_to_many > 0.05 * len(corpus)


# Sentences built by hand: every link is stated.

BUY = VERBS["thing"][0]
CLOSE = VERBS["opening"][0]
SING = VERBS["none"][1]
GIRL = Phrase.of("the girl", "das Mädchen")


def pair_of(phrase: Phrase) -> tuple[str, str, str, str]:
    src, tgt, gold = phrase.realised()
    sure = " ".join(f"{i}-{j}" for i, j in sorted(gold.sure))
    possible = " ".join(f"{i}-{j}" for i, j in sorted(gold.possible - gold.sure))
    return " ".join(src), " ".join(tgt), sure, possible


def test_fronted_adverb_puts_the_verb_second() -> None:
    clause = Clause(
        GIRL,
        lexical_verb(BUY, "past", "3sg", support=False),
        Phrase.of("a", "einen") + Phrase.of("kitchen table", "Küchentisch"),
    )
    assert pair_of(clause.statement(Phrase.of("yesterday", "gestern"))) == (
        "Yesterday the girl bought a kitchen table",
        "Gestern kaufte das Mädchen einen Küchentisch",
        "0-0 1-2 2-3 3-1 4-4 5-5 6-5",
        "",
    )


def test_separable_verb_closes_the_sentence() -> None:
    clause = Clause(
        GIRL,
        lexical_verb(CLOSE, "present", "3sg", support=False),
        Phrase.of("the door", "die Tür"),
    )
    assert pair_of(clause.statement()) == (
        "The girl closes the door",
        "Das Mädchen macht die Tür zu",
        "0-0 1-1 2-2 2-5 3-3 4-4",
        "",
    )
    assert pair_of(Phrase.of("because", "weil") + clause.subordinate()) == (
        "Because the girl closes the door",
        "Weil das Mädchen die Tür zumacht",
        "0-0 1-1 2-2 3-5 4-3 5-4",
        "",
    )


def test_question_and_negation_have_a_possible_auxiliary() -> None:
    bought = lexical_verb(BUY, "past", "3sg", support=True)
    book = Phrase.of("the book", "das Buch")
    question = Clause(GIRL, bought, book).question() + Phrase.of("?", "?")
    assert pair_of(question) == (
        "Did the girl buy the book ?",
        "Kaufte das Mädchen das Buch ?",
        "1-1 2-2 3-0 4-3 5-4 6-5",
        "0-0",
    )
    assert pair_of(Clause(GIRL, negated(bought), book).statement()) == (
        "The girl did not buy the book",
        "Das Mädchen kaufte das Buch nicht",
        "0-0 1-1 3-5 4-2 5-3 6-4",
        "2-2",
    )


def test_perfect_and_comma_in_a_subordinate_clause() -> None:
    he = Phrase.of("he", "er")
    main = Clause(he, lexical_verb(SING, "present", "3sg", support=False)).statement()
    because = Phrase.of("because", "weil")
    bought = lexical_verb(BUY, "perfect", "3sg", support=False)
    reason = Clause(GIRL, bought, Phrase.of("12 books", "12 Bücher")).subordinate()
    assert pair_of(main + COMMA + because + reason + Phrase.of(".", ".")) == (
        "He sings because the girl has bought 12 books .",
        "Er singt , weil das Mädchen 12 Bücher gekauft hat .",
        "0-0 1-1 2-3 3-4 4-5 5-9 6-8 7-6 8-7 9-10",
        "",
    )


def test_liking_becomes_an_adverb() -> None:
    assert pair_of(Clause(GIRL, liked(SING, "3sg")).statement()) == (
        "The girl likes to sing",
        "Das Mädchen singt gern",
        "0-0 1-1 2-3 4-2",
        "3-2",
    )


def test_profession_has_no_article() -> None:
    she = Phrase.of("she", "sie")
    clause = Clause(she, profession(True, ("teacher", "Lehrer")))
    assert pair_of(clause.statement()) == (
        "She is a teacher",
        "Sie ist Lehrerin",
        "0-0 1-1 3-2",
        "",
    )


def test_agreement() -> None:
    nouns = _Grammar(random.Random(0)).nouns
    nouns.chance = lambda probability: True  # type: ignore[method-assign]
    nouns.rng.choice = lambda options: options[0]  # type: ignore[method-assign]
    apple = next(n for n in NOUNS["thing"] if n.src == "apple")
    man = NOUNS["person"][0]

    def german(phrase: Phrase) -> str:
        return " ".join(r.form for r in phrase.tgt)

    assert german(nouns.noun(apple, "nom", "the")) == "der alte Apfel"
    assert german(nouns.noun(apple, "acc", "the")) == "den alten Apfel"
    assert german(nouns.noun(apple, "nom", "a")) == "ein alter Apfel"
    assert german(nouns.noun(apple, "acc", None, plural=True)) == "alte Äpfel"
    assert german(nouns.noun(man, "dat", "my", "person", plural=True)) == (
        "meinen alten Männern"
    )
    assert german(nouns.noun(COMPOUNDS[1], "acc", "a")) == "einen alten Küchentisch"
