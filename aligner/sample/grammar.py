"""The sample corpus: a small English-German grammar whose alignments are known.

Sentences are composed of phrases that carry both languages (`phrases`), from a
lexicon of about a hundred words (`lexicon`) and any number of names and numbers.
German puts the verb second, first in questions, last in subordinate clauses.

Sure links join what a dictionary would join: both words of "kitchen table" with
"Küchentisch", "closes" with both parts of "macht ... zu". Possible links join what an
annotator might leave out: "did" or "is" with the one German verb, "to" with an
infinitive, the article inside "im". Words without a counterpart have no links: the
article in "is a teacher" ("ist Lehrer") and in "die Natur" ("nature"), the German
commas around subordinate clauses.
"""

import random
from dataclasses import dataclass

from aligner.links.alignment import GoldAlignment
from aligner.ranges import INDEX, SEED
from aligner.sample.lexicon import (
    ADJECTIVES,
    ADVERBS,
    CLAUSE_VERBS,
    COMPOUNDS,
    CONJUNCTIONS,
    NOUNS,
    PROFESSIONS,
    PRONOUNS,
    RELATIVE,
    VERBS,
    Noun,
    Person,
)
from aligner.sample.nouns import NounPhrases
from aligner.sample.phrases import (
    COMMA,
    EMPTY,
    Clause,
    Phrase,
    VerbGroup,
)
from aligner.sample.verbs import (
    TENSES,
    Tense,
    lexical_verb,
    liked,
    negated,
    profession,
    with_auxiliary,
)

_SHORTEST, _LONGEST = 4, 16  # English words


@dataclass(frozen=True)
class SamplePair:
    """A sentence in English (`src`) and German (`tgt`) with its true alignment."""

    src: tuple[str, ...]
    tgt: tuple[str, ...]
    gold: GoldAlignment


def sample_corpus(pairs: int, seed: int = 1) -> list[SamplePair]:
    """Return so many distinct pairs: the same for the same seed on every platform.

    A shorter corpus is the beginning of a longer one with the same seed.

    Raises:
        ConfigError: a number is out of its range.
    """
    INDEX.check("pairs", pairs)
    SEED.check("seed", seed)
    grammar = _Grammar(random.Random(seed))
    corpus: dict[tuple[tuple[str, ...], tuple[str, ...]], SamplePair] = {}
    while len(corpus) < pairs:
        pair = SamplePair(*grammar.sentence().realised())
        if _SHORTEST <= len(pair.src) <= _LONGEST:
            corpus.setdefault((pair.src, pair.tgt), pair)
    return list(corpus.values())


@dataclass(frozen=True)
class _Subject:
    phrase: Phrase
    person: Person


class _Grammar:
    """Draws sentences from the lexicon at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.nouns = NounPhrases(rng)
        self.chance = self.nouns.chance

    def sentence(self) -> Phrase:
        makers = {
            self.plain: 34,
            self.fronted: 22,
            self.question: 12,
            self.with_subordinate: 14,
            self.subordinate_first: 7,
            self.reported: 7,
            self.existence: 4,
        }
        maker = self.rng.choices(list(makers), list(makers.values()))[0]
        return maker()

    # Whole sentences

    def plain(self) -> Phrase:
        return self.clause(relative=0.15).statement() + self.full_stop()

    def fronted(self) -> Phrase:
        """Begin with an adverb: German puts the verb before the subject."""
        tense = self.tense()
        front = self.rng.choice([*ADVERBS[tense], *ADVERBS["front"]])
        clause = self.clause(tense=tense, adverb=0.0, relative=0.1)
        return clause.statement(Phrase.of(*front)) + self.full_stop()

    def question(self) -> Phrase:
        return self.clause(support=True).question() + Phrase.of("?", "?")

    def with_subordinate(self) -> Phrase:
        main = self.clause(adverb=0.1).statement()
        return main + COMMA + self.subordinate() + Phrase.of(".", ".")

    def subordinate_first(self) -> Phrase:
        """A subordinate clause in first place counts as one: the verb follows."""
        front = self.subordinate() + Phrase.of(",", ",")
        return self.clause(adverb=0.1).statement(front) + Phrase.of(".", ".")

    def reported(self) -> Phrase:
        subject = self.subject()
        tense = self.rng.choice([t for t in TENSES if t != "progressive"])
        verb = lexical_verb(
            self.rng.choice(CLAUSE_VERBS), tense, subject.person, support=False
        )
        main = Clause(subject.phrase, verb).statement()
        that = Phrase.of("that", "dass")
        return main + COMMA + that + self.clause().subordinate() + Phrase.of(".", ".")

    def existence(self) -> Phrase:
        """Say "there are" as "es gibt"."""
        there = Phrase.of("there are", "es gibt")
        noun = self.rng.choice(NOUNS[self.rng.choice(("thing", "animal"))])
        things = self.nouns.counted(noun, "acc")
        return there + things + self.nouns.place() + Phrase.of(".", ".")

    def full_stop(self) -> Phrase:
        return Phrase.of("!", "!") if self.chance(0.1) else Phrase.of(".", ".")

    def subordinate(self) -> Phrase:
        conjunction = Phrase.of(*self.rng.choice(CONJUNCTIONS))
        return conjunction + self.clause(adverb=0.15).subordinate()

    # Clauses

    def tense(self) -> Tense:
        return self.rng.choice(TENSES)

    def clause(
        self,
        *,
        tense: Tense | None = None,
        support: bool = False,
        adverb: float = 0.25,
        relative: float = 0.0,
    ) -> Clause:
        """Draw a clause.

        Args:
            tense: of a lexical verb; drawn if not given.
            support: whether it is to become a question.
            adverb: probability of a time adverb.
            relative: probability of a relative clause at the subject.
        """
        tense = tense or self.tense()
        if tense != "past" and self.chance(0.15):
            return self.description(price=not support)
        subject = self.subject(relative)
        if not support and self.chance(0.06):
            singing = self.rng.choice(VERBS["none"])
            return Clause(subject.phrase, liked(singing, subject.person))
        when = Phrase.of(*self.rng.choice(ADVERBS[tense]))
        group, objects = self.predicate(tense, subject.person, support=support)
        return Clause(
            subject.phrase, group, objects, when if self.chance(adverb) else EMPTY
        )

    def predicate(
        self, tense: Tense, person: Person, *, support: bool
    ) -> tuple[VerbGroup, Phrase]:
        """Draw a verb, perhaps negated or with a modal, and what it governs."""
        kind = self.rng.choices(list(VERBS), [len(v) for v in VERBS.values()])[0]
        verb = self.rng.choice(VERBS[kind])
        negative = not support and self.chance(0.15)
        support = support or negative
        # Modals stand where the time is open: there they do not clash with adverbs.
        if tense == "present" and self.chance(0.6):
            # "want to" needs "do" in questions and negations: left to statements.
            names = ["can", "must", "should"] + ([] if support else ["want"])
            group = with_auxiliary(
                self.rng.choice(names), person, verb.src["base"], verb.infinitive
            )
        else:
            group = lexical_verb(verb, tense, person, support=support)
        if negative:
            return negated(group), self.nouns.object(kind, definite=True)
        objects = self.nouns.object(kind)
        return group, objects + (self.nouns.adjunct() if self.chance(0.3) else EMPTY)

    def description(self, *, price: bool) -> Clause:
        """Say what somebody or something is, or perhaps what it costs."""
        if self.chance(0.3):
            female = self.chance(0.5)
            subject = Phrase.of(*PRONOUNS[2 if female else 1][:2])
            return Clause(subject, profession(female, self.rng.choice(PROFESSIONS)))
        things = NOUNS["thing"] + COMPOUNDS
        subject, number = self.nouns.described(self.rng.choice(things), "nom")
        if price and self.chance(0.4):
            many = number == "pl"
            costs = Phrase.of(*(("cost", "kosten") if many else ("costs", "kostet")))
            group = VerbGroup((), costs.src, costs.tgt, (), costs.tgt)
            amount = self.rng.randint(2, 999)
            return Clause(
                subject, group, Phrase.of(f"{amount} euros", f"{amount} Euro")
            )
        adjective = self.rng.choice(ADJECTIVES["thing"])
        return Clause(subject, with_auxiliary("be", number, *adjective))

    # Subjects

    def subject(self, relative: float = 0.0) -> _Subject:
        kind = self.rng.choices(("pronoun", "name", "noun"), (25, 30, 45))[0]
        if kind == "pronoun":
            src, tgt, person = self.rng.choice(PRONOUNS)
            return _Subject(Phrase.of(src, tgt), person)
        if kind == "name":
            return _Subject(self.nouns.name(), "3sg")
        noun = self.rng.choice(NOUNS["person"])
        phrase, person = self.nouns.described(noun, "nom", "person")
        if self.chance(relative):
            phrase += self.relative(noun, person)
        return _Subject(phrase, person)

    def relative(self, noun: Noun, person: Person) -> Phrase:
        """Add "who ..." between commas, the German verb last."""
        who = Phrase.of("who", RELATIVE["pl" if person == "pl" else noun.gender])
        verb, objects = self.predicate("past", person, support=False)
        return COMMA + Clause(who, verb, objects).subordinate() + COMMA
