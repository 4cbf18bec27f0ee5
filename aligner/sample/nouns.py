"""Noun phrases of the sample corpus: agreement, compounds, numbers, names, places."""

import random
from typing import Literal

from aligner.sample.lexicon import (
    ABSTRACTS,
    ADJECTIVES,
    ARTICLES,
    COMPOUNDS,
    ENDINGS,
    NOUNS,
    NUMERALS,
    PLACES,
    PREPOSITIONS,
    SYLLABLES,
    Case,
    Determiner,
    Noun,
)
from aligner.sample.phrases import (
    EMPTY,
    Phrase,
    Rendering,
    Word,
    indefinite_article,
)


class NounPhrases:
    """Draws noun phrases and what is made of them at random."""

    def __init__(self, rng: random.Random) -> None:
        """Draw from `rng`."""
        self.rng = rng

    def chance(self, probability: float) -> bool:
        """Draw true with this probability."""
        return self.rng.random() < probability

    def object(self, kind: str, *, definite: bool = False) -> Phrase:
        """Draw what a verb of this kind governs; after "nicht", a definite one."""
        if kind == "none":
            return EMPTY
        if kind == "person" and self.chance(0.5):
            return self.name()
        if kind == "abstract":
            src, tgt = self.rng.choice(ABSTRACTS)
            word = Word(src)
            article, bare = tgt.split()
            return Phrase((word,), (Rendering(article), Rendering(bare, (word,))))
        nouns = NOUNS[kind]
        if kind == "thing" and self.chance(0.3):
            nouns = COMPOUNDS
        noun = self.rng.choice(nouns)
        adjectives = "person" if kind == "person" else "thing"
        if definite:
            determiner: Determiner = self.rng.choice(("the", "my"))
            return self.noun(noun, "acc", determiner, adjectives)
        if kind == "thing" and self.chance(0.3):
            return self.counted(noun, "acc")
        return self.described(noun, "acc", adjectives)[0]

    def described(
        self, noun: Noun, case: Case, adjectives: str = "thing"
    ) -> tuple[Phrase, Literal["3sg", "pl"]]:
        """Draw article and adjective for a noun, most often in the singular."""
        if self.chance(0.2):
            return self.noun(noun, case, "the", adjectives, plural=True), "pl"
        determiner: Determiner = self.rng.choices(("the", "a", "my"), (50, 35, 15))[0]
        return self.noun(noun, case, determiner, adjectives), "3sg"

    def counted(self, noun: Noun, case: Case) -> Phrase:
        """Draw "12 books", "three books" or "a lot of books"."""
        kind = self.rng.choices(("digits", "numeral", "many"), (60, 25, 15))[0]
        if kind == "digits":
            number = str(self.rng.randint(2, 999))
            amount = Phrase.of(number, number)
        elif kind == "numeral":
            amount = Phrase.of(*self.rng.choice(NUMERALS))
        else:
            amount = Phrase.of("a lot of", "viele")
        return amount + self.noun(noun, case, None, plural=True)

    def noun(
        self,
        noun: Noun,
        case: Case,
        determiner: Determiner | None,
        adjectives: str = "thing",
        *,
        plural: bool = False,
    ) -> Phrase:
        """Build a noun phrase in which article and adjective agree with the noun."""
        gender = "pl" if plural else noun.gender
        phrase = Phrase.of(
            noun.src_plural if plural else noun.src, noun.inflected(case, plural)
        )
        if self.chance(0.3):
            src, tgt = self.rng.choice(ADJECTIVES[adjectives])
            ending = ENDINGS[determiner][case][gender]
            phrase = Phrase.of(src, tgt + ending) + phrase
        if determiner is None:
            return phrase
        article = (
            indefinite_article(phrase.src[0].form) if determiner == "a" else determiner
        )
        return Phrase.of(article, ARTICLES[determiner][case][gender]) + phrase

    def name(self) -> Phrase:
        """Compose a name: most are never seen again."""
        onsets, vowels, codas = SYLLABLES
        syllables = [
            self.rng.choice(onsets) + self.rng.choice(vowels)
            for _ in range(self.rng.choice((2, 2, 3)))
        ]
        name = ("".join(syllables) + self.rng.choice(codas)).capitalize()
        return Phrase.of(name, name)

    def adjunct(self) -> Phrase:
        """Draw a place, or for whom, with whom or without whom."""
        if self.chance(0.5):
            return self.place()
        src, tgt, case = self.rng.choice(PREPOSITIONS)
        if self.chance(0.4):
            return Phrase.of(src, tgt) + self.name()
        noun = self.rng.choice(NOUNS["person"])
        return Phrase.of(src, tgt) + self.described(noun, case, "person")[0]

    def place(self) -> Phrase:
        """Draw "at home", "in the garden" or "in front of the garden"."""
        if self.chance(0.15):
            return Phrase.of("at home", "zu Hause")
        noun = self.rng.choice(PLACES)
        if self.chance(0.25):
            behind = Phrase.of("in front of", "vor")
            return behind + self.noun(noun, "dat", "the")
        if noun.gender == "f":
            return Phrase.of("in", "in") + self.noun(noun, "dat", "the")
        in_, the = Word("in"), Word("the")
        contracted = Phrase((in_, the), (Rendering("im", (in_,), (the,)),))
        return contracted + Phrase.of(noun.src, noun.inflected("dat", plural=False))
