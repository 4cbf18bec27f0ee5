"""aligner translate: translate text, from stdin to stdout."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from aligner.cli.console import resolve_device

CHUNK_LINES = 512


def translate(
    model: Annotated[Path, typer.Argument(help="A model directory.")],
    into: Annotated[
        Literal["tgt", "src"], typer.Option(help="The side to translate into.")
    ] = "tgt",
    beam: Annotated[
        int, typer.Option(min=1, help="Hypotheses kept; 1 is greedy search.")
    ] = 4,
    length_penalty: Annotated[
        float,
        typer.Option(help="Log-probabilities are divided by this power of the length."),
    ] = 1.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Translate stdin to stdout, a sentence a line, words between spaces.

    It shows that the translation model is one; `align` does not need it.
    """
    from aligner.nmt.checkpoint import load_model
    from aligner.nmt.translation import translate as translate_sentences
    from aligner.text.bitext import read_lines
    from aligner.text.words import split_words

    loaded = load_model(model, resolve_device(device))
    lines = map(split_words, read_lines("-"))
    while chunk := list(islice(lines, CHUNK_LINES)):
        found = translate_sentences(loaded, chunk, into, beam, length_penalty)
        for words in found:
            print(" ".join(words))
