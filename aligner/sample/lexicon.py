"""The words of the sample corpus: English beside German, with their inflection."""

from dataclasses import dataclass
from typing import Literal

Case = Literal["nom", "acc", "dat"]
Determiner = Literal["the", "a", "my"]
Gender = Literal["m", "f", "n"]
Person = Literal["1sg", "3sg", "pl"]


@dataclass(frozen=True)
class Noun:
    """A noun; a compound has two English words and one German one."""

    src: str
    src_plural: str
    tgt: str
    tgt_plural: str
    gender: Gender

    def inflected(self, case: Case, plural: bool) -> str:
        """Return the German form; only the dative plural differs from the others."""
        if not plural:
            return self.tgt
        needs_n = case == "dat" and self.tgt_plural[-1] not in "ns"
        return self.tgt_plural + "n" * needs_n


@dataclass(frozen=True)
class Verb:
    """A verb: `particle` is what a separable German verb leaves at the end."""

    src: dict[str, str]  # by _ENGLISH_FORMS
    present: dict[Person, str]
    past: dict[Person, str]
    infinitive: str
    participle: str
    particle: str = ""


def _rows(table: str) -> list[list[str]]:
    rows = [line.split() for line in table.strip().splitlines()]
    return [[cell.replace("_", " ") for cell in row] for row in rows]


def _pairs(table: str) -> list[tuple[str, str]]:
    return [(src, tgt) for src, tgt in _rows(table)]


def _nouns(table: str) -> list[Noun]:
    genders: dict[str, Gender] = {"m": "m", "f": "f", "n": "n"}
    return [Noun(a, b, c, d, genders[gender]) for a, b, c, d, gender in _rows(table)]


def _verbs(table: str) -> list[Verb]:
    return [_verb(row) for row in _rows(table)]


def _verb(row: list[str]) -> Verb:
    infinitive, third, past, participle = row[5:]
    particle, _, infinitive = infinitive.rpartition("+")
    first = infinitive.removesuffix("n").removesuffix("e") + "e"
    plural_past = past + ("n" if past.endswith("e") else "en")
    return Verb(
        src=dict(zip(_ENGLISH_FORMS, row[:5], strict=True)),
        present={"1sg": first, "3sg": third, "pl": infinitive},
        past={"1sg": past, "3sg": past, "pl": plural_past},
        infinitive=particle + infinitive,
        participle=particle + participle,
        particle=particle,
    )


_ENGLISH_FORMS = ("base", "third", "past", "participle", "ing")

# Which English present form goes with a person.
FINITE: dict[Person, str] = {"1sg": "base", "3sg": "third", "pl": "base"}

# English: singular, plural; German: singular, plural, gender.
NOUNS = {
    "person": _nouns("""
        man      men       Mann      Männer      m
        woman    women     Frau      Frauen      f
        girl     girls     Mädchen   Mädchen     n
        child    children  Kind      Kinder      n
        friend   friends   Freund    Freunde     m
        daughter daughters Tochter   Töchter     f
        king     kings     König     Könige      m
        guest    guests    Gast      Gäste       m
    """),
    "thing": _nouns("""
        book     books     Buch      Bücher      n
        letter   letters   Brief     Briefe      m
        picture  pictures  Bild      Bilder      n
        car      cars      Auto      Autos       n
        apple    apples    Apfel     Äpfel       m
        flower   flowers   Blume     Blumen      f
        lamp     lamps     Lampe     Lampen      f
        cup      cups      Tasse     Tassen      f
    """),
    "animal": _nouns("""
        dog      dogs      Hund      Hunde       m
        cat      cats      Katze     Katzen      f
        horse    horses    Pferd     Pferde      n
        bird     birds     Vogel     Vögel       m
    """),
    "opening": _nouns("""
        door     doors     Tür       Türen       f
        window   windows   Fenster   Fenster     n
        box      boxes     Kiste     Kisten      f
    """),
    "clothing": _nouns("""
        hat      hats      Hut       Hüte        m
        crown    crowns    Krone     Kronen      f
        helmet   helmets   Helm      Helme       m
    """),
}  # fmt: skip

PLACES = _nouns("""
    garden   gardens   Garten    Gärten      m
    house    houses    Haus      Häuser      n
    city     cities    Stadt     Städte      f
    kitchen  kitchens  Küche     Küchen      f
    forest   forests   Wald      Wälder      m
    school   schools   Schule    Schulen     f
""")

COMPOUNDS = _nouns("""
    football_match  football_matches  Fußballspiel  Fußballspiele  n
    kitchen_table   kitchen_tables    Küchentisch   Küchentische   m
    kitchen_knife   kitchen_knives    Küchenmesser  Küchenmesser   n
    garden_table    garden_tables     Gartentisch   Gartentische   m
    garden_chair    garden_chairs     Gartenstuhl   Gartenstühle   m
    school_bag      school_bags       Schultasche   Schultaschen   f
    school_book     school_books      Schulbuch     Schulbücher    n
    wine_bottle     wine_bottles      Weinflasche   Weinflaschen   f
""")

# Without an article in English, with one in German.
ABSTRACTS = [
    ("nature", "die Natur"),
    ("music", "die Musik"),
    ("art", "die Kunst"),
    ("life", "das Leben"),
]

# With an article in English, without one in German; "-in" makes the feminine.
PROFESSIONS = _pairs("""
    teacher   Lehrer
    baker     Bäcker
    painter   Maler
    engineer  Ingenieur
    singer    Sänger
""")

PRONOUNS: list[tuple[str, str, Person]] = [
    ("I", "ich", "1sg"),
    ("he", "er", "3sg"),
    ("she", "sie", "3sg"),
    ("we", "wir", "pl"),
    ("they", "sie", "pl"),
]

ADJECTIVES = {
    "person": _pairs("""
        old       alt
        young     jung
        clever    klug
        friendly  freundlich
        poor      arm
    """),
    "thing": _pairs("""
        old        alt
        new        neu
        small      klein
        big        groß
        red        rot
        green      grün
        white      weiß
        beautiful  schön
        cheap      billig
    """),
}

# English: base, third person, past, participle, -ing. German: infinitive (particle+
# where separable), third person, past, participle. The key is the kind of object.
VERBS = {
    "thing": _verbs("""
        buy buys bought bought buying  kaufen kauft kaufte gekauft
        sell sells sold sold selling  verkaufen verkauft verkaufte verkauft
        bring brings brought brought bringing  bringen bringt brachte gebracht
        carry carries carried carried carrying  tragen trägt trug getragen
        paint paints painted painted painting  malen malt malte gemalt
        look_for looks_for looked_for looked_for looking_for suchen sucht suchte gesucht
    """),
    "animal": _verbs("""
        wash washes washed washed washing  waschen wäscht wusch gewaschen
        feed feeds fed fed feeding  füttern füttert fütterte gefüttert
    """),
    "person": _verbs("""
        greet greets greeted greeted greeting  grüßen grüßt grüßte gegrüßt
        visit visits visited visited visiting  besuchen besucht besuchte besucht
        invite invites invited invited inviting  ein+laden lädt lud geladen
    """),
    "opening": _verbs("""
        close closes closed closed closing  zu+machen macht machte gemacht
        open opens opened opened opening  auf+machen macht machte gemacht
    """),
    "clothing": _verbs("""
        put_on puts_on put_on put_on putting_on  auf+setzen setzt setzte gesetzt
    """),
    "abstract": _verbs("""
        praise praises praised praised praising  loben lobt lobte gelobt
    """),
    "none": _verbs("""
        sleep sleeps slept slept sleeping  schlafen schläft schlief geschlafen
        sing sings sang sung singing  singen singt sang gesungen
        dance dances danced danced dancing  tanzen tanzt tanzte getanzt
        laugh laughs laughed laughed laughing  lachen lacht lachte gelacht
    """),
}  # fmt: skip

# Verbs with "that" and a clause.
CLAUSE_VERBS = _verbs("""
    say says said said saying  sagen sagt sagte gesagt
    believe believes believed believed believing  glauben glaubt glaubte geglaubt
    hope hopes hoped hoped hoping  hoffen hofft hoffte gehofft
""")

_Forms = dict[Person, str]


def _forms(first: str, third: str, plural: str) -> _Forms:
    return {"1sg": first, "3sg": third, "pl": plural}


# English and German forms for "I", "he" and "we".
AUXILIARIES: dict[str, tuple[_Forms, _Forms]] = {
    name: (_forms(*src.split("/")), _forms(*tgt.split("/")))
    for name, src, tgt in _rows("""
        be      am/is/are                 bin/ist/sind
        have    have/has/have             habe/hat/haben
        can     can/can/can               kann/kann/können
        must    must/must/must            muss/muss/müssen
        should  should/should/should      soll/soll/sollen
        want    want_to/wants_to/want_to  will/will/wollen
    """)
}
DO = _forms("do", "does", "do")

# Time adverbs by the tense that they go with; "front" opens a sentence of any tense.
ADVERBS = {
    "present": [("today", "heute"), ("every day", "jeden Tag")],
    "past": [
        ("yesterday", "gestern"),
        ("on Monday", "am Montag"),
        ("on Friday", "am Freitag"),
    ],
    "progressive": [("now", "jetzt"), ("today", "heute")],
    "perfect": [("today", "heute")],
    "front": [("of course", "natürlich"), ("perhaps", "vielleicht")],
}

CONJUNCTIONS = [("because", "weil"), ("although", "obwohl"), ("if", "wenn")]
NUMERALS = [("two", "zwei"), ("three", "drei"), ("four", "vier"), ("five", "fünf")]
PREPOSITIONS: list[tuple[str, str, Case]] = [
    ("for", "für", "acc"),
    ("with", "mit", "dat"),
    ("without", "ohne", "acc"),
]
RELATIVE = {"m": "der", "f": "die", "n": "das", "pl": "die"}


def _declension(nom: str, acc: str, dat: str) -> dict[Case, dict[str, str]]:
    """Read the forms for masculine, feminine, neuter, plural; "-" is no ending."""
    columns = ("m", "f", "n", "pl")
    table: dict[Case, dict[str, str]] = {}
    rows: dict[Case, str] = {"nom": nom, "acc": acc, "dat": dat}
    for case, row in rows.items():
        table[case] = dict(zip(columns, row.split(), strict=True))
    return table


_MIXED = _declension("er e es en", "en e es en", "en en en en")

ARTICLES = {
    "the": _declension("der die das die", "den die das die", "dem der dem den"),
    "a": _declension("ein eine ein -", "einen eine ein -", "einem einer einem -"),
    "my": _declension(
        "mein meine mein meine",
        "meinen meine mein meine",
        "meinem meiner meinem meinen",
    ),
}

# Endings of an adjective after each determiner, and after none (plurals only).
ENDINGS = {
    "the": _declension("e e e en", "en e e en", "en en en en"),
    "a": _MIXED,
    "my": _MIXED,
    None: _declension("er e es e", "en e es e", "em er em en"),
}

# Names are composed: onset and vowel twice or three times, then a coda.
SYLLABLES = (
    ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"],
    ["a", "e", "i", "o", "u"],
    ["", "", "n", "l", "r"],
)
