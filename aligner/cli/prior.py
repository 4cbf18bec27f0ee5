"""aligner prior: align parallel text by the statistical prior alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from aligner.cli.console import say
from aligner.cli.options import OUT, SRC, TGT
from aligner.cli.outputs import check_inputs_are_kept, open_outputs, output_paths
from aligner.cli.progress import PassProgress
from aligner.errors import CorpusError

if TYPE_CHECKING:
    from aligner.prior.prior import SoftLinks


def prior(
    src: Annotated[
        str,
        SRC,
    ],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="What a link's probability must exceed.")
    ] = 0.5,
    scores: Annotated[
        bool, typer.Option("--scores", help="Write i-j:probability.")
    ] = False,
    max_words: Annotated[
        int, typer.Option(min=1, help="Words on a side; longer pairs stay unaligned.")
    ] = 200,
) -> None:
    """Align text by a statistical aligner estimated from it, without any network.

    It is what guides `aligner train` by default: hidden Markov models of
    words and of their beginnings, one each way, trained to agree. Nothing is stored.
    """
    from aligner.prior.prior import NO_LINKS, estimate
    from aligner.text.bitext import read_bitext
    from aligner.text.words import split_words

    paths = output_paths(out, with_words=False)
    check_inputs_are_kept(paths, src, tgt)
    pairs = [(split_words(s), split_words(t)) for s, t in read_bitext(src, tgt)]
    usable = [
        line
        for line, sides in enumerate(pairs)
        if all(0 < len(words) <= max_words for words in sides)
    ]
    if not usable:
        raise CorpusError(f"{src}: no usable sentence pairs")
    with PassProgress("prior") as progress:
        _, found = estimate([pairs[line] for line in usable], progress)
    links = [NO_LINKS] * len(pairs)
    for line, of_pair in zip(usable, found, strict=True):
        links[line] = of_pair
    with open_outputs(paths) as (file,):
        _write(links, file, threshold, scores)
    if len(usable) < len(pairs):
        say(
            f"warning: {len(pairs) - len(usable)} pairs could not be aligned (an empty "
            f"side, or more than {max_words} words): their lines are empty"
        )


def _write(
    links: Sequence["SoftLinks"], file: TextIO, threshold: float, with_scores: bool
) -> None:
    from aligner.links.formats import format_pharaoh

    for src, tgt, probability in links:
        likely = {
            (i, j): p
            for i, j, p in zip(
                src.tolist(), tgt.tolist(), probability.tolist(), strict=True
            )
            if p > threshold
        }
        file.write(format_pharaoh(likely, likely if with_scores else None) + "\n")
