"""Options that several commands have, described once."""

import typer

SRC = typer.Option(
    help="Source text, a sentence a line; '-' is stdin. Without --tgt: both sides in "
    "one file, as `source ||| target` or two columns."
)
TGT = typer.Option(help="Target text, line by line.")
OUT = typer.Option(help="Write to this file instead of stdout.")
DEVICE = typer.Option(help="auto, cpu, cuda or mps.")
