"""The subcommands put together."""

import typer

import aligner
from aligner.cli import (
    align,
    analyze,
    choose,
    demo,
    evaluate,
    prior,
    retokenize,
    train,
    translate,
    view,
)

app = typer.Typer(
    name="aligner",
    help=(
        "Word alignments from the attention norms of a small translation model "
        "trained on your own text."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
FIRST, MORE = "Train, align, score", "More"
app.command(rich_help_panel=FIRST)(train.train)
app.command(rich_help_panel=FIRST)(align.align)
app.command(rich_help_panel=FIRST)(evaluate.evaluate)
app.command(rich_help_panel=MORE)(demo.demo)
app.command(rich_help_panel=MORE)(view.view)
app.command(rich_help_panel=MORE)(choose.choose)
app.command(rich_help_panel=MORE)(prior.prior)
app.command(rich_help_panel=MORE)(retokenize.retokenize)
app.command(rich_help_panel=MORE)(translate.translate)
app.add_typer(analyze.app, name="analyze", rich_help_panel=MORE)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"aligner {aligner.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Version."
    ),
) -> None:
    pass
