"""Options that several commands have, described once."""

import typer

SRC = typer.Option(
    help="Source text, a sentence a line; '-' is stdin. Without --tgt: both sides in "
    "one file, as `source ||| target` or two columns."
)
TGT = typer.Option(help="Target text, line by line.")
OUT = typer.Option(
    help="Write to this file instead of stdout; compressed, if it ends in .gz, .xz or "
    ".zst."
)
DEVICE = typer.Option(help="auto, cpu, cuda or mps.")
THREADS = typer.Option(
    min=1, help="Threads on the CPU; default: as many cores as this process may use."
)
GOLD_FORMAT = typer.Option(
    help="pharaoh: from 0, i-j sure, i?j or ipj possible; talp: the same from 1; "
    "naacl: `sentence src tgt S|P` from 1. Default: naacl if it looks so, talp if the "
    "file is called so, else pharaoh."
)
GOLD_BASE = typer.Option(
    min=0, max=1, help="Gold counts from 0 or 1; default: by format."
)
GOLD_REVERSE = typer.Option("--gold-reverse", help="Gold has the target first.")
