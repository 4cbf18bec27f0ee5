"""aligner evaluate: score alignments against gold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

from aligner.cli.console import say
from aligner.cli.options import (
    FLAG,
    GOLD_BASE,
    GOLD_FORMAT,
    GOLD_REVERSE,
    of_output,
    of_text,
    within,
)
from aligner.errors import ConfigError, LinkFormatError
from aligner.ranges import BASE, INDEX, SEED
from aligner.terms import GoldFormat

if TYPE_CHECKING:
    from aligner.links.alignment import Alignment, GoldAlignment

    Systems: TypeAlias = Sequence[tuple[str, list[Alignment]]]  # by their files' names


def evaluate(
    gold: Annotated[str, of_text(metavar="FILE", help="The gold alignments.")],
    hyp: Annotated[
        list[str],
        of_text(
            metavar="FILE",
            help="Pharaoh or JSON lines to score; '-' is stdin. Given twice or more: "
            "each is scored and compared with the first.",
        ),
    ],
    gold_format: Annotated[GoldFormat | None, GOLD_FORMAT] = None,
    gold_base: Annotated[int | None, GOLD_BASE] = None,
    gold_reverse: Annotated[bool, GOLD_REVERSE] = False,
    hyp_base: Annotated[
        int,
        of_text(
            metavar="N",
            callback=within(BASE),
            help="Hypotheses count from 0, the default, or 1.",
        ),
    ] = 0,
    hyp_reverse: Annotated[
        bool,
        of_text(
            "--hyp-reverse", metavar=FLAG, help="Hypotheses have the target first."
        ),
    ] = False,
    src: Annotated[
        str | None,
        of_text(
            metavar="FILE", help="The text, to check that no link lies outside it."
        ),
    ] = None,
    tgt: Annotated[str | None, of_text(metavar="FILE", help="Its target side.")] = None,
    worst: Annotated[
        int,
        of_output(
            metavar="N",
            callback=within(INDEX),
            help="List so many of the worst sentences.",
        ),
    ] = 0,
    seed: Annotated[
        int,
        of_output(
            metavar="N", callback=within(SEED), help="For the bootstrap; default: 1."
        ),
    ] = 1,
) -> None:
    """Score alignments: error rate, precision, recall, F1, with 95 % intervals.

    The intervals come from a bootstrap over sentences; several systems are compared
    with the first by a paired one.
    """
    from aligner.links.evaluation import gold_gaps
    from aligner.links.formats import read_gold, read_links
    from aligner.text.bitext import check_read_once

    if (src is None) != (tgt is None):
        raise ConfigError("--src and --tgt: expected both or neither")
    check_read_once(gold, *hyp, src, tgt)
    systems = [
        (name, read_links(name, one_based=hyp_base == 1, reverse=hyp_reverse))
        for name in hyp
    ]
    reference = read_gold(
        gold,
        format=gold_format,
        one_based=None if gold_base is None else gold_base == 1,
        reverse=gold_reverse,
        sentences=max(len(links) for _, links in systems),
        check_lines=False,
    )
    if not reference:
        raise LinkFormatError(f"{gold}: expected at least one sentence pair, got none")
    if gaps := gold_gaps(reference):
        say(f"warning: {gold}: {gaps}")
    lengths = _lengths(src, tgt)
    for name, links in systems:
        if len(links) != len(reference):
            as_many = [n for n, others in systems if len(others) == len(reference)]
            raise LinkFormatError(
                f"{name}: expected {len(reference)} lines, as many sentence pairs as "
                f"{(as_many or [gold])[0]} has, got {len(links)}"
            )
        _check(name, reference, links, lengths)
    _print_scores(reference, systems, seed)
    if len(systems) > 1:
        _print_comparisons(reference, systems, seed)
    if worst:
        for name, links in systems:
            _print_worst(name, reference, links, worst)


def _lengths(src: str | None, tgt: str | None) -> list[tuple[int, int]] | None:
    """Return the number of words of each pair, if the text is given."""
    if src is None or tgt is None:
        return None
    from aligner.text.bitext import read_bitext
    from aligner.text.words import split_words

    return [
        (len(split_words(s)), len(split_words(t))) for s, t in read_bitext(src, tgt)
    ]


def _check(
    name: str,
    gold: Sequence["GoldAlignment"],
    links: Sequence["Alignment"],
    lengths: list[tuple[int, int]] | None,
) -> None:
    """Check that everything has one length; warn of what suggests a mix-up."""
    from aligner.links.evaluation import suspicions

    try:
        warnings = suspicions(gold, links, lengths)
    except LinkFormatError as error:
        raise LinkFormatError(f"{name}: {error}") from error
    for warning in warnings:
        say(f"warning: {name}: {warning}")


def _print_scores(
    gold: Sequence["GoldAlignment"],
    systems: "Systems",
    seed: int,
) -> None:
    from aligner.cli.tables import print_table
    from aligner.links.evaluation import bootstrap_intervals, score

    rows = []
    for name, links in systems:
        result = score(gold, links)
        bounds = bootstrap_intervals(gold, links, seed=seed)
        cells = []
        for rate in ("aer", "precision", "recall", "f1"):
            low, high = getattr(bounds, rate)
            value = getattr(result, rate)
            cells.append(f"{100 * value:.1f} ({100 * low:.1f}-{100 * high:.1f})")
        rows.append([name, *cells, str(result.links)])
    total = score(gold, systems[0][1])
    print_table(
        f"{len(gold)} sentence pairs, {total.sure} sure and {total.possible} possible "
        "links; % with 95 % interval",
        ["system", "AER", "precision", "recall", "F1", "links"],
        rows,
    )


def _print_comparisons(
    gold: Sequence["GoldAlignment"],
    systems: "Systems",
    seed: int,
) -> None:
    from aligner.cli.tables import print_table
    from aligner.links.evaluation import compare

    (first, baseline), *others = systems
    rows = []
    for name, links in others:
        result = compare(gold, links, baseline, seed=seed)
        low, high = result.interval
        rows.append(
            [
                name,
                f"{100 * result.difference:+.1f}",
                f"{100 * low:+.1f} to {100 * high:+.1f}",
                f"{result.p_value:.4f}",
            ]
        )
    print_table(
        f"AER compared with {first} (paired bootstrap; below 0 is better)",
        ["system", "difference", "95 % interval", "p"],
        rows,
    )


def _print_worst(
    name: str,
    gold: Sequence["GoldAlignment"],
    links: Sequence["Alignment"],
    count: int,
) -> None:
    from aligner.cli.tables import print_table
    from aligner.links.evaluation import worst_sentences
    from aligner.links.formats import format_pharaoh

    rows = [
        [
            str(errors.index + 1),
            f"{100 * errors.aer:.1f}",
            format_pharaoh(errors.missed),
            format_pharaoh(errors.wrong),
        ]
        for errors in worst_sentences(gold, links, count)
    ]
    print_table(
        f"worst sentences of {name}", ["line", "AER", "missed sure", "wrong"], rows
    )
