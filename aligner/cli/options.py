"""Options that several commands have, described once."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import typer

from aligner import ranges
from aligner.ranges import BASE, COUNT, Range

Number = TypeVar("Number", int, float, None)


def within(numbers: Range) -> Callable[[typer.CallbackParam, Number], Number]:
    """Return the callback of an option whose numbers have a range."""

    def check(param: typer.CallbackParam, value: Number) -> Number:
        if value is not None:
            numbers.check(param.opts[0], value)
        return value

    return check


# The panels of a command's help. A short metavar leaves the width to the text.
of_text = partial(typer.Option, rich_help_panel="Text", show_default=False)
of_output = partial(typer.Option, rich_help_panel="Output", show_default=False)
of_links = partial(typer.Option, rich_help_panel="Links", show_default=False)
of_reading = partial(typer.Option, rich_help_panel="Reading", show_default=False)
of_training = partial(typer.Option, rich_help_panel="Training", show_default=False)
of_machine = partial(typer.Option, rich_help_panel="Machine", show_default=False)

FLAG = " "  # the metavar of what takes no value

SRC = of_text(
    metavar="FILE",
    help="Source text, a sentence a line; '-' is stdin. Without --tgt: both sides in "
    "it, as `source ||| target` or two columns.",
)
TGT = of_text(metavar="FILE", help="Target text, line by line.")
TOKENIZE = of_text(
    metavar="A B",
    help="The text is raw: cut it into words by the rules of two languages, such as "
    "en ja, or auto auto. Default: as what is loaded was learnt, or else at spaces.",
)
MAX_LENGTH = of_text(
    metavar="N",
    callback=within(COUNT),
    help="Subwords on a side; longer pairs stay unaligned. Default: 500.",
)
OUT = of_text(
    metavar="FILE",
    help="Write to it instead of stdout; packed, if it ends in .gz, .bz2, .xz or .zst.",
)
SCORES = of_output(
    "--scores",
    metavar=FLAG,
    help="Write i-j:p, p about the chance that it is right.",
)
FORMAT = of_output(
    metavar="NAME",
    help="pharaoh, the default; jsonl: an object a pair, with the places of words in "
    "the text; tsv: a link a line, for spreadsheets.",
)
OFFSETS = of_output(
    metavar="NAME",
    help="What jsonl counts places in: codepoints, the default, bytes or utf16.",
)
WORDS = of_output(
    metavar="FILE", help="Write to it the words of each link, as house:maison."
)
SENTENCE_SCORES = of_output(
    metavar="FILE", help="Write to it how likely each pair is a translation, 0 to 1."
)
PRESET = of_links(
    metavar="NAME",
    help="precise: few but safe links; recall: many; balanced, the default.",
)
COVER = of_links(
    metavar="SIDE",
    help="src, tgt or both: a word of it without a link gets its best, however weak.",
)
DEVICE = of_machine(metavar="NAME", help="auto, cpu, cuda or mps. Default: auto.")
THREADS = of_machine(
    metavar="N",
    callback=within(ranges.THREADS),
    help="On the CPU; default: as many as cores that this process may use.",
)
PRECISION = of_machine(
    metavar="NAME",
    help="Of matrix products: float32, bfloat16, or auto, the default: bfloat16 where "
    "the processor has it; faster, other in one link of 2,000.",
)
ENCODER = of_reading(
    metavar="DIR",
    help="A pretrained encoder that knows both languages, beside the prior: a "
    "directory, or a name on the Hugging Face hub. Needs transformers.",
)
REVERSE_MODEL = of_reading(
    metavar="DIR", help="Of others' models, the one of the other way."
)
LANGUAGES = of_reading(
    metavar="A B", help="If it knows many; by its codes, such as eng_Latn fra_Latn."
)
CHOICE = of_reading(
    metavar="FILE", help="For others' models, a file of `aligner choose`."
)
DICTIONARY = of_text(
    metavar="FILE",
    help="A dictionary, evidence beside the text: a line an entry, source, a tab, "
    "target, each a word or several.",
)
LAYER = of_reading(
    metavar="N",
    callback=within(COUNT),
    help="Decoder layer, from 1; default: the model's.",
)
ROWS = of_reading(
    metavar="NAME",
    help="Where the decoder is fed a target word (awi), predicts it (awo), or is fed "
    "it with the whole target in view (full); default: the model's.",
)
GOLD_FORMAT = of_text(
    metavar="NAME",
    help="pharaoh: from 0, i-j sure, i?j or ipj possible; talp: the same from 1; "
    "naacl: `sentence src tgt S|P` from 1. Default: naacl if it looks so, talp if the "
    "file is called so, else pharaoh.",
)
GOLD_BASE = of_text(
    metavar="N",
    callback=within(BASE),
    help="Gold counts from 0 or 1; default: by format.",
)
GOLD_REVERSE = of_text(
    "--gold-reverse", metavar=FLAG, help="Gold has the target first."
)
