"""Options that several commands have, described once."""

from collections.abc import Callable
from typing import TypeVar

import typer

from aligner.ranges import COUNT, Range

Number = TypeVar("Number", int, float, None)


def within(numbers: Range) -> Callable[[typer.CallbackParam, Number], Number]:
    """Return the callback of an option whose numbers have a range."""

    def check(param: typer.CallbackParam, value: Number) -> Number:
        if value is not None:
            numbers.check(param.opts[0], value)
        return value

    return check


SRC = typer.Option(
    help="Source text, a sentence a line; '-' is stdin. Without --tgt: both sides in "
    "one file, as `source ||| target` or two columns."
)
TGT = typer.Option(help="Target text, line by line.")
OUT = typer.Option(
    help="Write to this file instead of stdout; compressed, if it ends in .gz, .bz2, "
    ".xz or .zst."
)
DEVICE = typer.Option(help="auto, cpu, cuda or mps.")
THREADS = typer.Option(
    callback=within(Range(1, 1024)),
    help="Threads on the CPU; default: as many cores as this process may use.",
)
GOLD_FORMAT = typer.Option(
    help="pharaoh: from 0, i-j sure, i?j or ipj possible; talp: the same from 1; "
    "naacl: `sentence src tgt S|P` from 1. Default: naacl if it looks so, talp if the "
    "file is called so, else pharaoh."
)
GOLD_BASE = typer.Option(
    callback=within(Range(0, 1)), help="Gold counts from 0 or 1; default: by format."
)
GOLD_REVERSE = typer.Option("--gold-reverse", help="Gold has the target first.")
MAX_LENGTH = typer.Option(
    callback=within(COUNT), help="Subwords on a side; longer pairs stay unaligned."
)
LAYER = typer.Option(
    callback=within(COUNT), help="Decoder layer, from 1; default: the model's."
)
PRECISION = typer.Option(
    help="Of the network's matrix products; auto: bfloat16 where the processor has it, "
    "which is faster and changes about one link in 2,000."
)
