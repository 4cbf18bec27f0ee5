"""aligner prior: align parallel text by the statistical prior alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from aligner.cli.console import say
from aligner.cli.options import OUT, SRC, TGT, within
from aligner.cli.outputs import check_inputs_are_kept, open_outputs, output_paths
from aligner.cli.progress import PassProgress
from aligner.errors import CorpusError
from aligner.ranges import COUNT, SHARE

if TYPE_CHECKING:
    from aligner.prior.soft_links import SoftLinks


def prior(
    src: Annotated[
        str,
        SRC,
    ],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    threshold: Annotated[
        float,
        typer.Option(
            callback=within(SHARE), help="What a link's probability must exceed."
        ),
    ] = 0.5,
    scores: Annotated[
        bool, typer.Option("--scores", help="Write i-j:probability.")
    ] = False,
    max_words: Annotated[
        int,
        typer.Option(
            callback=within(COUNT), help="Words on a side; longer pairs stay unaligned."
        ),
    ] = 200,
) -> None:
    """Align text by a statistical aligner estimated from it, without any network.

    It is what guides `aligner train` by default: hidden Markov models of
    words and of their beginnings, one each way, trained to agree. Nothing is stored.
    """
    from aligner.prior.prior import estimate
    from aligner.text.bitext import read_bitext
    from aligner.text.numbered import Numbering
    from aligner.text.words import split_words

    paths = output_paths(out, with_words=False)
    check_inputs_are_kept(paths, src, tgt)
    numbering, usable = Numbering(), bytearray()
    for sides in read_bitext(src, tgt):
        pair = [split_words(side) for side in sides]
        usable.append(all(0 < len(words) <= max_words for words in pair))
        if usable[-1]:
            numbering.add(*pair)
    if not any(usable):
        raise CorpusError(f"{src}: no usable sentence pairs")
    with PassProgress("prior") as progress:
        _, links = estimate(numbering.whole(), progress)
    with open_outputs(paths) as (file,):
        found = iter(links)
        for is_usable in usable:
            if is_usable:
                _write(next(found), file, threshold, scores)
            file.write("\n")
    if not all(usable):
        say(
            f"warning: {usable.count(0)} pairs could not be aligned (an empty side, or "
            f"more than {max_words} words): their lines are empty"
        )


def _write(
    links: "SoftLinks", file: TextIO, threshold: float, with_scores: bool
) -> None:
    from aligner.links.formats import format_pharaoh

    likely = {
        (i, j): p
        for i, j, p in zip(*(part.tolist() for part in links), strict=True)
        if p > threshold
    }
    file.write(format_pharaoh(likely, likely if with_scores else None))
