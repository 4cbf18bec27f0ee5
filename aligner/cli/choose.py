"""aligner choose: how translation models of others are to be read, kept in a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import (
    DEVICE,
    ENCODER,
    LANGUAGES,
    REVERSE_MODEL,
    SRC,
    TGT,
    THREADS,
    TOKENIZE,
    of_output,
)
from aligner.cli.outputs import STDOUT, check_inputs_are_kept
from aligner.cli.pretrained import NamedModels, load_encoder, sample_to_choose_by
from aligner.cli.tables import print_table
from aligner.errors import ConfigError

if TYPE_CHECKING:
    from aligner.extraction.pair_aligner import WordPair
    from aligner.extraction.stored_choice import Choice


def choose(
    model: Annotated[
        Path, typer.Argument(help="A model directory of others.", metavar="MODEL")
    ],
    src: Annotated[str, SRC],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[
        Path | None,
        of_output(
            metavar="FILE",
            help="Keep it there, for `aligner align --choice`; default: show only.",
        ),
    ] = None,
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
    reverse_model: Annotated[str | None, REVERSE_MODEL] = None,
    languages: Annotated[tuple[str, str] | None, LANGUAGES] = None,
    encoder: Annotated[str | None, ENCODER] = None,
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
) -> None:
    """Choose how translation models of others are read, without gold, for `align`.

    The layer and rows of each by which both ways agree best, on 200 of the first 10,000
    pairs of a text, and the thresholds that promise the best F. What every layer and
    row agrees with best is shown.
    """
    from aligner.extraction.pretrained_choice import choose as chosen
    from aligner.extraction.stored_choice import save_choice
    from aligner.text.bitext import check_read_once, read_bitext
    from aligner.text.tokenizers import both_resolved, word_tokenizers

    check_read_once(src, tgt)
    if out == STDOUT:
        raise ConfigError("-: expected --out FILE, as the table goes to stdout")
    check_inputs_are_kept([] if out is None else [out], src, tgt)
    if (model / "config.toml").is_file():
        raise ConfigError(
            f"{model}: expected a model of others, got one of aligner, whose training "
            "has chosen"
        )
    tokenized = both_resolved(tokenize)  # with the segmenters that are there
    src_words, tgt_words = word_tokenizers(tokenized)

    def read() -> Iterator["WordPair"]:
        return ((src_words(s), tgt_words(t)) for s, t in read_bitext(src, tgt))

    others = NamedModels(str(model), reverse_model, languages, encoder=encoder)
    models = others.load(resolve_device(device, threads))
    beside = load_encoder(others, models)
    found = chosen(models, sample_to_choose_by(read()), beside)
    _print(found)
    if out is not None:
        save_choice(out, found.model_copy(update={"tokenize": tokenized}))
        say(f"{out}: for aligner align --choice")


def _print(choice: "Choice") -> None:
    """Print how far every layer and row agrees, what is chosen, and the thresholds."""
    figures = {
        (way, one.layer, one.rows): f"{one.agreement:.3f}"
        for way, chosen in choice.ways.items()
        for one in chosen.figures
    }
    for way, chosen in choice.ways.items():
        figures[way, chosen.layer, chosen.rows] += " *"
    columns = list(dict.fromkeys((way, rows) for way, _, rows in figures))
    layers = sorted({layer for _, layer, _ in figures})
    print_table(
        f"agreement on {choice.pairs} pairs; * is read",
        ["layer", *(f"{way} {rows.upper()}" for way, rows in columns)],
        [
            [str(n), *(figures.get((way, n, rows), "") for way, rows in columns)]
            for n in layers
        ],
    )
    if choice.thresholds:
        print_table(
            "thresholds",
            list(choice.thresholds),
            [[f"{value:.4f}" for value in choice.thresholds.values()]],
        )
