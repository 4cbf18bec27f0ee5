"""aligner retokenize: carry links to another tokenisation of the same text."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

from aligner.cli.console import say
from aligner.cli.link_lines import LISTED_PROBLEMS
from aligner.cli.options import OUT, SRC, TGT, of_text
from aligner.cli.outputs import check_inputs_are_kept, open_files, output_paths
from aligner.errors import CorpusError, LinkFormatError


def retokenize(
    links: Annotated[
        str,
        of_text(
            metavar="FILE",
            help="Pharaoh lines, with scores or without, or gold, `i-j` and `i?j`.",
        ),
    ],
    src: Annotated[str, SRC],
    to_src: Annotated[
        str,
        of_text(
            metavar="FILE",
            help="The same source text in the words that links are wanted for. Without "
            "--to-tgt: both sides in it.",
        ),
    ],
    tgt: Annotated[str | None, TGT] = None,
    to_tgt: Annotated[
        str | None,
        of_text(metavar="FILE", help="The same target text, likewise."),
    ] = None,
    out: Annotated[Path | None, OUT] = None,
) -> None:
    """Carry links to other words or pieces of the same text.

    Two words are linked where they share characters with two that were linked. White
    space, case and the marks of pieces, such as @@, may differ.
    """
    import sys

    from aligner.text.bitext import check_read_once

    texts = (links, src, tgt, to_src, to_tgt)
    check_read_once(*texts)
    paths = output_paths(out, with_words=False)
    check_inputs_are_kept(paths, *texts)
    pairs = problems = 0
    with open_files(paths) as files:
        write = (files or [sys.stdout])[0].write
        for line, problem in _retokenized(links, (src, tgt), (to_src, to_tgt)):
            write(line + "\n")
            pairs += 1
            problems += bool(problem)
            if problem and problems <= LISTED_PROBLEMS:
                say(f"line {pairs}: not carried: {problem}")
    if problems:
        say(f"warning: the texts of {problems} pairs differ: their lines are empty")
    say(f"carried the links of {pairs - problems} of {pairs} pairs")


def _retokenized(
    links: str, old: tuple[str, str | None], new: tuple[str, str | None]
) -> Iterator[tuple[str, str]]:
    """Yield each line of links, carried, and why it is empty, if it had to be.

    Raises:
        CorpusError: the files are not of one length.
        LinkFormatError: a line is malformed, or points beyond the text.
    """
    from aligner.text.bitext import read_bitext, read_lines
    from aligner.text.words import split_words

    names = (links, old[0], new[0])
    files = (read_lines(links), read_bitext(*old), read_bitext(*new))
    for number, lines in enumerate(zip_longest(*files), start=1):
        ended = [name for name, line in zip(names, lines, strict=True) if line is None]
        if ended:
            raise CorpusError(
                f"expected files of one length: {_name(ended[0])} ends before line "
                f"{number}"
            )
        line, (src, tgt), (to_src, to_tgt) = lines
        try:
            yield (
                _carried(
                    line,
                    (split_words(src), split_words(to_src)),
                    (split_words(tgt), split_words(to_tgt)),
                ),
                "",
            )
        except CorpusError as error:
            yield "", str(error)
        except LinkFormatError as error:
            raise LinkFormatError(f"{_name(links)}, line {number}: {error}") from None


def _name(path: str) -> str:
    return "<stdin>" if path == "-" else path


def _carried(
    line: str, src: tuple[list[str], list[str]], tgt: tuple[list[str], list[str]]
) -> str:
    """Return a line of links for other words, with what is said of each."""
    from aligner.links.alignment import GoldAlignment
    from aligner.links.formats import (
        format_gold,
        format_pharaoh,
        parse_gold,
        parse_scored,
    )
    from aligner.links.retokenization import carry

    if ":" in line:
        scores = carry(parse_scored(line), src, tgt)
        return format_pharaoh(scores, scores)
    gold = parse_gold(line)
    is_sure = carry({link: link in gold.sure for link in gold.possible}, src, tgt)
    sure = frozenset(link for link, sure in is_sure.items() if sure)
    return format_gold(GoldAlignment(sure, frozenset(is_sure)))
