"""Fragments of the sample corpus that carry both sides and their links.

Each German word names the English words that it renders, so a fragment may be split,
reordered and nested on either side and its links stay true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from aligner.links.alignment import GoldAlignment


@dataclass(frozen=True, eq=False)  # two uses of one form are two words
class Word:
    """An English word."""

    form: str


@dataclass(frozen=True, eq=False)
class Rendering:
    """A German word and the English words that it renders."""

    form: str
    sure: tuple[Word, ...] = ()
    possible: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Phrase:
    """Words of both sides, each side in its own order."""

    src: tuple[Word, ...] = ()
    tgt: tuple[Rendering, ...] = ()

    @classmethod
    def of(cls, src: str, tgt: str) -> Self:
        """Link word by word where the counts agree, else every word with every one."""
        words = words_of(src)
        forms = tgt.split()
        if len(words) == len(forms):
            renderings = [Rendering(f, (w,)) for f, w in zip(forms, words, strict=True)]
        else:
            renderings = [Rendering(f, words) for f in forms]
        return cls(words, tuple(renderings))

    def __add__(self, other: "Phrase") -> "Phrase":
        """Put the other phrase after this one on both sides."""
        return Phrase(self.src + other.src, self.tgt + other.tgt)

    def realised(self) -> tuple[tuple[str, ...], tuple[str, ...], GoldAlignment]:
        """Number the words, capitalise the first ones, collect the links."""
        tgt = _without_double_commas(self.tgt)
        position = {word: i for i, word in enumerate(self.src)}
        gold = GoldAlignment(
            frozenset((position[w], j) for j, r in enumerate(tgt) for w in r.sure),
            frozenset((position[w], j) for j, r in enumerate(tgt) for w in r.possible),
        )
        src_forms = _capitalised(w.form for w in self.src)
        return src_forms, _capitalised(r.form for r in tgt), gold


def words_of(text: str) -> tuple[Word, ...]:
    """Split a text into new words."""
    return tuple(Word(form) for form in text.split())


def indefinite_article(following: str) -> str:
    """Choose "a" or "an"."""
    return "an" if following[0] in "aeiou" else "a"


def _capitalised(forms: Iterable[str]) -> tuple[str, ...]:
    first, *rest = forms
    return (first[0].upper() + first[1:], *rest)


def _without_double_commas(words: Sequence[Rendering]) -> tuple[Rendering, ...]:
    """Drop a comma that closes a clause where a stronger or a linked mark follows."""
    following = [w.form for w in words[1:]] + ["."]
    return tuple(
        w
        for w, after in zip(words, following, strict=True)
        if w.form != "," or w.sure or after not in {",", ".", "?", "!"}
    )


EMPTY = Phrase()
COMMA = Phrase(tgt=(Rendering(","),))


@dataclass(frozen=True)
class VerbGroup:
    """A clause's verb in the parts that the two languages put in different places.

    English inverts `auxiliary` in questions. German puts `finite` second and `rest`
    (particle, participle, infinitive, predicate) last, after `middle` ("nicht",
    "gern"); in a subordinate clause `final` holds both.
    """

    auxiliary: tuple[Word, ...]
    main: tuple[Word, ...]
    finite: tuple[Rendering, ...]
    rest: tuple[Rendering, ...]
    final: tuple[Rendering, ...]
    middle: tuple[Rendering, ...] = ()


@dataclass(frozen=True)
class Clause:
    """Subject, verb, objects and a time adverb, not yet in any order."""

    subject: Phrase
    verb: VerbGroup
    objects: Phrase = EMPTY
    adverb: Phrase = EMPTY

    def statement(self, front: Phrase = EMPTY) -> Phrase:
        """Verb second in German: with `front` in first place, the subject is third."""
        verb = self.verb
        src = self.subject.src + verb.auxiliary + verb.main
        if front.tgt:
            head = front.tgt + verb.finite + self.subject.tgt
        else:
            head = self.subject.tgt + verb.finite
        return Phrase(front.src + src + self._src_end(), head + self._tgt_end())

    def question(self) -> Phrase:
        """Yes-no question: both languages begin with the finite verb."""
        verb = self.verb
        src = verb.auxiliary + self.subject.src + verb.main + self._src_end()
        return Phrase(src, verb.finite + self.subject.tgt + self._tgt_end())

    def subordinate(self) -> Phrase:
        """Verb last in German; English keeps the order of a statement."""
        verb = self.verb
        src = self.subject.src + verb.auxiliary + verb.main + self._src_end()
        field = self.adverb.tgt + self.objects.tgt + verb.middle
        return Phrase(src, self.subject.tgt + field + verb.final)

    def _src_end(self) -> tuple[Word, ...]:
        return self.objects.src + self.adverb.src

    def _tgt_end(self) -> tuple[Rendering, ...]:
        verb = self.verb
        return self.adverb.tgt + self.objects.tgt + verb.middle + verb.rest
