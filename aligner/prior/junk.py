"""Pairs of sentences that do not translate each other, made from pairs that do."""

from collections.abc import Callable, Sequence

import numpy as np

from aligner.text.numbered import NumberedBitext, WordPair, Words

MOST_WORDS, MOST_LETTERS = 40, 12  # of random letters
SAMPLE, LONGEST = 1000, 100  # pairs that junk is made of, and words on a side
SEED = 1

Junk = Callable[[Sequence[WordPair], np.random.Generator], list[WordPair]]


def shuffled(pairs: Sequence[WordPair], random: np.random.Generator) -> list[WordPair]:
    """Return each source side with the target side of another pair."""
    order = random.permutation(len(pairs))
    others = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return [(src, pairs[others[number]][1]) for number, (src, _) in enumerate(pairs)]


def copied(pairs: Sequence[WordPair], random: np.random.Generator) -> list[WordPair]:
    """Return one side of each pair, drawn, as both."""
    sides = random.integers(2, size=len(pairs)).tolist()
    return [(pair[side], pair[side]) for pair, side in zip(pairs, sides, strict=True)]


def swapped(pairs: Sequence[WordPair], random: np.random.Generator) -> list[WordPair]:
    """Return each pair with its sides exchanged."""
    return [(tgt, src) for src, tgt in pairs]


def scrambled(pairs: Sequence[WordPair], random: np.random.Generator) -> list[WordPair]:
    """Return each pair with words of random letters on one side, drawn, or on both.

    From 1 to `MOST_WORDS` words, short sides as often as long ones, of up to
    `MOST_LETTERS` letters, from the text's own words; as many on both sides.
    """
    sides = zip(*pairs, strict=True)
    letters = [sorted(set("".join(map("".join, side)))) or ["x"] for side in sides]
    made = []
    for pair in pairs:
        kept = int(random.integers(3))  # the side, or 2: none
        count = int((MOST_WORDS + 1) ** random.random())
        src, tgt = (
            side if number == kept else _scrambled(letters[number], count, random)
            for number, side in enumerate(pair)
        )
        made.append((src, tgt))
    return made


def _scrambled(
    letters: Sequence[str], count: int, random: np.random.Generator
) -> Words:
    sizes = random.integers(1, MOST_LETTERS + 1, size=count).tolist()
    return [
        "".join(letters[place] for place in random.integers(len(letters), size=size))
        for size in sizes
    ]


def halved(pairs: Sequence[WordPair], random: np.random.Generator) -> list[WordPair]:
    """Return each pair with the first or the last half of a side, drawn, alone."""
    made = []
    for pair in pairs:
        drawn, is_last = random.integers(2, size=2).tolist()
        words = pair[drawn]
        middle = len(words) // 2
        half = words[middle:] if is_last else words[: len(words) - middle]
        made.append((pair[0], half) if drawn else (half, pair[1]))
    return made


KINDS: dict[str, Junk] = {
    "shuffled": shuffled,
    "copied": copied,
    "swapped": swapped,
    "random letters": scrambled,
    "half missing": halved,
}


def junk_of(text: NumberedBitext) -> tuple[list[WordPair], list[list[WordPair]]]:
    """Return evenly spread pairs of a text, and junk of each kind made of them.

    Without pairs that have no words on a side, or a great many; kinds of which nothing
    is left that would not be one of these pairs are left out.
    """
    sizes = np.stack([text.src.numbers.lengths(), text.tgt.numbers.lengths()])
    usual = np.flatnonzero((sizes.min(axis=0) > 0) & (sizes.max(axis=0) <= LONGEST))
    places = np.linspace(0, len(usual) - 1, min(SAMPLE, len(usual))).astype(int)
    pairs = [text[place] for place in usual[places].tolist()]
    random = np.random.default_rng(SEED)
    made = [unlike(pairs, make(pairs, random)) for make in KINDS.values()]
    return pairs, [kind for kind in made if kind]


def unlike(pairs: Sequence[WordPair], junk: Sequence[WordPair]) -> list[WordPair]:
    """Return the junk that is not, by chance, the very pair that it was made of."""
    return [one for one, pair in zip(junk, pairs, strict=True) if one != pair]
