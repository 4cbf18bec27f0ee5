"""Verbs of the sample corpus: tenses, auxiliaries, negation, separable particles."""

from typing import Literal

from aligner.sample.lexicon import AUXILIARIES, DO, FINITE, Person, Verb
from aligner.sample.phrases import (
    Rendering,
    VerbGroup,
    Word,
    indefinite_article,
    words_of,
)

Tense = Literal["present", "past", "progressive", "perfect"]
TENSES: tuple[Tense, ...] = ("present", "past", "progressive", "perfect")


def lexical_verb(
    verb: Verb, tense: Tense, person: Person, *, support: bool
) -> VerbGroup:
    """Conjugate in a simple tense or the perfect.

    Args:
        verb: the lexicon's entry.
        tense: "progressive" is English only; German has its present for it.
        person: of the subject.
        support: whether simple tenses take "do", as questions and negations need.
    """
    if tense == "perfect":
        return with_auxiliary("have", person, verb.src["participle"], verb.participle)
    if tense == "progressive":
        auxiliary, form = AUXILIARIES["be"][0][person], "ing"
    elif support:
        past = tense == "past"
        auxiliary, form = "did" if past else DO[person], "base"
    else:
        auxiliary, form = "", "past" if tense == "past" else FINITE[person]
    return _simple_verb(
        verb, words_of(auxiliary), words_of(verb.src[form]), tense, person
    )


def _simple_verb(
    verb: Verb,
    auxiliary: tuple[Word, ...],
    main: tuple[Word, ...],
    tense: Tense,
    person: Person,
) -> VerbGroup:
    form = verb.past[person] if tense == "past" else verb.present[person]
    joined = Rendering(verb.particle + form, main, auxiliary)
    if not verb.particle:
        return VerbGroup(auxiliary, main, (joined,), (), (joined,))
    head, particle = main[:1], main[1:] or main
    finite = Rendering(form, head, auxiliary)
    rest = Rendering(verb.particle, particle)
    return VerbGroup(auxiliary, main, (finite,), (rest,), (joined,))


def with_auxiliary(name: str, person: Person, src: str, tgt: str) -> VerbGroup:
    """Put an auxiliary or modal with a participle, infinitive or predicate.

    The word "to" of "want to" is possibly part of the German infinitive.
    """
    src_forms, tgt_forms = AUXILIARIES[name]
    auxiliary, *to = words_of(src_forms[person])
    main = words_of(src)
    finite = Rendering(tgt_forms[person], (auxiliary,))
    rest = Rendering(tgt, main, tuple(to))
    return VerbGroup((auxiliary, *to), main, (finite,), (rest,), (rest, finite))


def negated(verb: VerbGroup) -> VerbGroup:
    """Put "not" after the auxiliary and "nicht" before the end."""
    negation = Word("not")
    return VerbGroup(
        (*verb.auxiliary, negation),
        verb.main,
        verb.finite,
        verb.rest,
        verb.final,
        (Rendering("nicht", (negation,)),),
    )


def liked(verb: Verb, person: Person) -> VerbGroup:
    """Say "likes to sing" as "singt gern"."""
    likes, to = Word("likes" if person == "3sg" else "like"), Word("to")
    base = words_of(verb.src["base"])
    finite = Rendering(verb.present[person], base, (to,))
    gern = Rendering("gern", (likes,))
    return VerbGroup((), (likes, to, *base), (finite,), (), (finite,), (gern,))


def profession(female: bool, noun: tuple[str, str]) -> VerbGroup:
    """Say "is a teacher" as "ist Lehrer": German has no article here."""
    src, tgt = noun
    is_, article, teacher = Word("is"), Word(indefinite_article(src)), Word(src)
    rest = Rendering(tgt + "in" * female, (teacher,))
    finite = Rendering("ist", (is_,))
    return VerbGroup((is_,), (article, teacher), (finite,), (rest,), (rest, finite))
