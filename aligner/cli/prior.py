"""aligner prior: align parallel text by the statistical prior alone."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from aligner.cli.console import say
from aligner.cli.link_lines import LISTED_PROBLEMS
from aligner.cli.options import FLAG, OUT, SRC, TGT, within
from aligner.cli.outputs import check_inputs_are_kept, open_outputs, output_paths
from aligner.cli.progress import show_pass
from aligner.errors import CorpusError
from aligner.ranges import COUNT, SHARE

THRESHOLD_PAIRS = 10_000  # enough to choose a threshold by

if TYPE_CHECKING:
    from aligner.prior.soft_links import SoftLinks, TextLinks


def prior(
    src: Annotated[
        str,
        SRC,
    ],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            callback=within(SHARE),
            help="What a link's probability must exceed. Default: what promises the "
            "best F1.",
        ),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", metavar=FLAG, help="Write i-j:probability.")
    ] = False,
    max_words: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=within(COUNT),
            help="Words on a side; longer pairs stay unaligned.",
        ),
    ] = 200,
) -> None:
    """Align text by a statistical aligner estimated from it, without any network.

    It is what guides `aligner train` by default: hidden Markov models of
    words and of their beginnings, one each way, trained to agree. Nothing is stored.
    """
    from aligner.links.matching import mean_share
    from aligner.prior.prior import estimate
    from aligner.text.bitext import read_bitext
    from aligner.text.numbered import Numbering
    from aligner.text.words import split_words

    paths = output_paths(out, with_words=False)
    check_inputs_are_kept(paths, src, tgt)
    numbering, usable, problems = Numbering(), bytearray(), 0
    for sides in read_bitext(src, tgt):
        pair = [split_words(side) for side in sides]
        problem = _problem(pair, max_words)
        usable.append(not problem)
        if not problem:
            numbering.add(*pair)
            continue
        problems += 1
        if problems <= LISTED_PROBLEMS:
            say(f"line {len(usable)}: not aligned: {problem}")
    if not any(usable):
        raise CorpusError(f"{src}: no usable sentence pairs")
    progress = partial(show_pass, "prior")
    _, links = estimate(numbering.finish(), progress, mean_share)
    if threshold is None:
        threshold = _threshold(links)
        say(f"threshold: {threshold:g}")
    with open_outputs(paths) as (file,):
        found = iter(links)
        for is_usable in usable:
            if is_usable:
                _write(next(found), file, threshold, scores)
            file.write("\n")
    if problems:
        say(f"warning: {problems} pairs could not be aligned: their lines are empty")


def _problem(pair: Sequence[Sequence[str]], max_words: int) -> str:
    """Return why a pair cannot be aligned, or an empty string."""
    for name, words in zip(("source", "target"), pair, strict=True):
        if not words:
            return f"the {name} side is empty"
        if len(words) > max_words:
            return (
                f"the {name} side has {len(words)} words, more than --max-words "
                f"{max_words}"
            )
    return ""


def _threshold(links: "TextLinks") -> float:
    """Return the threshold that is expected to be best, by evenly spread pairs."""
    import numpy as np

    from aligner.links.matching import best_threshold

    pairs = np.unique(np.linspace(0, len(links) - 1, THRESHOLD_PAIRS).astype(int))
    probable = links.flat(pairs).probability
    return best_threshold(probable, probable) if len(probable) else 0.5


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
