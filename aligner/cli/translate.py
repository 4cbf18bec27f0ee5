"""aligner translate: translate text, from stdin to stdout."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import DEVICE, THREADS, within
from aligner.errors import ConfigError
from aligner.ranges import BEAM, COUNT, LENGTH_PENALTY
from aligner.terms import Side

if TYPE_CHECKING:
    from aligner.nmt.checkpoint import TranslationModel


CHUNK_LINES = 512


def translate(
    model: Annotated[Path, typer.Argument(help="A model directory.", metavar="MODEL")],
    into: Annotated[
        Side, typer.Option(metavar="NAME", help="The side to translate into.")
    ] = "tgt",
    beam: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=within(BEAM),
            help="Hypotheses kept; 1 is greedy search.",
        ),
    ] = 4,
    length_penalty: Annotated[
        float,
        typer.Option(
            metavar="X",
            callback=within(LENGTH_PENALTY),
            help="Log-probabilities are divided by this power of the length.",
        ),
    ] = 1.0,
    max_length: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=within(COUNT),
            help="Subwords; longer sentences give an empty line.",
        ),
    ] = 500,
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
) -> None:
    """Translate stdin to stdout, a sentence a line, words between spaces.

    Raw text, where the model was trained on such; words are written between spaces.

    It shows that the translation model is one; `align` does not need it.
    """
    from aligner.nmt.checkpoint import load_model
    from aligner.nmt.translation import translate as translate_sentences
    from aligner.text.bitext import read_lines
    from aligner.text.tokenizers import word_tokenizers

    loaded = load_model(model, resolve_device(device, threads))
    if into == "src" and loaded.config.training.direction == "forward":
        raise ConfigError("--into src: the model was trained forward only, into tgt")
    src_words, tgt_words = word_tokenizers(loaded.meta.files.tokenize)
    sentences = _short_enough(
        map(src_words if into == "tgt" else tgt_words, read_lines("-")),
        loaded,
        "src" if into == "tgt" else "tgt",
        max_length,
    )
    while chunk := list(islice(sentences, CHUNK_LINES)):
        for words in translate_sentences(loaded, chunk, into, beam, length_penalty):
            print(" ".join(words))


def _short_enough(
    sentences: Iterable[list[str]],
    model: "TranslationModel",
    side: "Side",
    max_length: int,
) -> Iterator[list[str]]:
    """Yield the sentences, empty where they are too long; say which."""
    for line, words in enumerate(sentences, start=1):
        subwords = len(model.subwords.encode(words, side)[0])
        if subwords > max_length:
            say(
                f"line {line}: not translated: it has {subwords} subwords, more than "
                f"--max-length {max_length}"
            )
            yield []
        else:
            yield words
