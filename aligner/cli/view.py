"""aligner view: write a page that shows sentence pairs, their links and attention."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import (
    CHOICE,
    DEVICE,
    ENCODER,
    FLAG,
    GOLD_BASE,
    GOLD_FORMAT,
    GOLD_REVERSE,
    LANGUAGES,
    LAYER,
    MAX_LENGTH,
    PRECISION,
    REVERSE_MODEL,
    SRC,
    TGT,
    THREADS,
    TOKENIZE,
    of_output,
    of_text,
    within,
)
from aligner.cli.outputs import STDOUT, check_inputs_are_kept
from aligner.cli.pair_choice import PairChoice
from aligner.cli.pretrained import (
    Asked,
    NamedModels,
    pretrained_aligner,
    text_languages,
)
from aligner.cli.readings import reading_of
from aligner.errors import ConfigError, LinkFormatError
from aligner.ranges import COUNT, SEED
from aligner.terms import GoldFormat, Precision, Preset, Rows

if TYPE_CHECKING:
    from aligner.extraction.pair_aligner import PairAligner, WordPair
    from aligner.links.alignment import Alignment, GoldAlignment
    from aligner.view.page import ShownPair

SHOWN = 10  # pairs, where none are chosen
BALANCED: Preset = "balanced"  # as `aligner align` has it by default


def view(
    model: Annotated[
        Path,
        typer.Argument(help="A model directory, ours or others'.", metavar="MODEL"),
    ],
    src: Annotated[str, SRC],
    out: Annotated[
        Path, of_text(metavar="FILE", help="The page to write, such as page.html.")
    ],
    tgt: Annotated[str | None, TGT] = None,
    gold: Annotated[
        str | None,
        of_text(metavar="FILE", help="Gold alignments to compare the links with."),
    ] = None,
    gold_format: Annotated[GoldFormat | None, GOLD_FORMAT] = None,
    gold_base: Annotated[int | None, GOLD_BASE] = None,
    gold_reverse: Annotated[bool, GOLD_REVERSE] = False,
    hyp: Annotated[
        str | None,
        of_text(
            metavar="FILE",
            help="Pharaoh or JSON lines to show; default: the model's own links.",
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        of_output(
            metavar="N,N-N", help="Show these pairs, counted from 1, such as 1,5-7."
        ),
    ] = None,
    worst: Annotated[
        int | None,
        of_output(
            metavar="N",
            callback=within(COUNT),
            help="Show so many pairs of the highest error rate: 10 with --gold.",
        ),
    ] = None,
    random: Annotated[
        int | None,
        of_output(
            metavar="N",
            callback=within(COUNT),
            help="Show so many pairs, drawn at random.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        of_output(
            metavar="N", callback=within(SEED), help="For --random; 1 by default."
        ),
    ] = None,
    reverse_model: Annotated[str | None, REVERSE_MODEL] = None,
    languages: Annotated[tuple[str, str] | None, LANGUAGES] = None,
    choice: Annotated[Path | None, CHOICE] = None,
    encoder: Annotated[str | None, ENCODER] = None,
    layer: Annotated[int | None, LAYER] = None,
    rows: Annotated[
        Rows | None,
        of_text(
            metavar="NAME", help="As in `aligner align`; the page can show others too."
        ),
    ] = None,
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
    max_length: Annotated[
        int,
        MAX_LENGTH,
    ] = 500,
    precision: Annotated[Precision, PRECISION] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
    overwrite: Annotated[
        bool,
        of_output(
            "--overwrite", metavar=FLAG, help="Replace a page that is already there."
        ),
    ] = False,
) -> None:
    """Write a page to look at links, attention weights and norms, word by word.

    One HTML file for any browser, on the screen, by keyboard, or printed. Without a
    choice it shows the 10 worst pairs by --gold, or else the first 10.
    """
    from aligner.cli.gold_text import read_gold_of, read_pairs
    from aligner.files import write_whole
    from aligner.text.bitext import check_read_once
    from aligner.view.page import Heading, viewer_page

    pair_choice = PairChoice(pairs, worst, random, seed)
    of_gold = {
        "--gold-format": gold_format is not None,
        "--gold-base": gold_base is not None,
        "--gold-reverse": gold_reverse,
        "--worst": worst is not None,
    }
    pair_choice.check()
    if not gold and (stray := [o for o, given in of_gold.items() if given]):
        raise ConfigError(f"{stray[0]}: expected --gold beside it, got none")
    check_read_once(src, tgt, gold, hyp)
    check_inputs_are_kept([out], src, tgt, gold, hyp)
    if out.exists() and not overwrite:
        raise ConfigError(
            f"{out}: a file is there already; expected --overwrite or another --out"
        )
    others = NamedModels(str(model), reverse_model, languages, choice, encoder)
    words = read_pairs(src, tgt, text_languages(model, choice, tokenize))
    chosen = pair_choice.places(len(words), src)
    reference = None
    if gold is not None:
        reference = read_gold_of(
            words, gold, gold_format, gold_base, reverse=gold_reverse
        )
    links = _read_links(hyp, len(words))
    settings = layer, rows, max_length, precision, resolve_device(device, threads)
    if others.are_meant:
        aligner = _others_aligner(others, words, *settings)
    else:
        aligner = _our_aligner(model, words, encoder, *settings)
    if chosen is None and reference is None:
        chosen = list(range(min(SHOWN, len(words))))
    if links is None:
        links = _links(aligner, words, range(len(words)) if chosen is None else chosen)
    if chosen is None:
        chosen = _worst(reference or [], links, worst or SHOWN)
    shown = _shown(aligner, words, links, reference, chosen, hyp)
    about = {"model": model, "reverse model": reverse_model, "source": src}
    about |= {"target": tgt, "links": hyp, "gold": gold}
    title = f"Word alignments: {' and '.join(Path(n).name for n in (src, tgt) if n)}"
    heading = Heading(title, {name: str(path) for name, path in about.items() if path})
    page = viewer_page(heading, aligner.ways, shown, aligner.readings)
    if out == STDOUT:
        sys.stdout.write(page)
    else:
        write_whole(out, page)
    say(f"{out}: {len(shown)} of {len(words)} pairs, {len(page) / 1e6:.1f} MB")


def _our_aligner(
    model: Path,
    words: Sequence["WordPair"],
    encoder: str | None,
    layer: int | None,
    rows: Rows | None,
    max_length: int,
    precision: Precision,
    device: str,
) -> "PairAligner":
    from aligner.extraction.aligner import Aligner, with_encoder
    from aligner.nmt.checkpoint import load_model

    loaded = load_model(model, device)
    reading = reading_of(loaded, layer, rows)
    prior = None
    if encoder is not None:
        prior = with_encoder(loaded, model, encoder, precision, words)
    return Aligner(
        loaded, reading, max_length=max_length, precision=precision, prior=prior
    )


def _others_aligner(
    others: NamedModels,
    words: Sequence["WordPair"],
    layer: int | None,
    rows: Rows | None,
    max_length: int,
    precision: Precision,
    device: str,
) -> "PairAligner":
    from aligner.extraction.link_rule import LinkRule

    models = others.load(device)
    rule = LinkRule("both" if len(models) == 2 else "forward")
    asked, of_links = Asked.of(layer, rows), (rule, BALANCED)
    return pretrained_aligner(
        others, models, lambda: iter(words), asked, *of_links, max_length, precision
    )


def _read_links(name: str | None, length: int) -> "dict[int, Alignment] | None":
    from aligner.links.formats import read_links

    if name is None:
        return None
    links = read_links(name)
    if len(links) != length:
        raise LinkFormatError(
            f"{name}: expected {length} lines, as many as the text has, "
            f"got {len(links)}"
        )
    return dict(enumerate(links))


def _links(
    aligner: "PairAligner", words: Sequence["WordPair"], chosen: Iterable[int]
) -> "dict[int, Alignment]":
    """Return the links of pairs, and of those that `aligner align` reads with them.

    By themselves, the last bits of their scores would differ, and some links, too.
    """
    from aligner.extraction.pair_aligner import chunks

    links: dict[int, Alignment] = {}
    wanted, first = set(chosen), 0
    for chunk in chunks(words):
        places = range(first, first + len(chunk))
        first += len(chunk)
        if not wanted.isdisjoint(places):
            found = aligner.align_chunk(chunk)
            links |= {i: pair.links for i, pair in zip(places, found, strict=True)}
    return links


def _worst(
    gold: Sequence["GoldAlignment"], links: Mapping[int, "Alignment"], count: int
) -> list[int]:
    """Return the pairs of the highest error rate; if there are no errors, the first."""
    from aligner.links.evaluation import worst_sentences

    alignments = [links[i] for i in range(len(gold))]
    worst = [errors.index for errors in worst_sentences(gold, alignments, count)]
    if not worst:
        say("note: no pair has an error: the first are shown")
    return worst or list(range(min(count, len(gold))))


def _shown(
    aligner: "PairAligner",
    words: Sequence["WordPair"],
    links: Mapping[int, "Alignment"],
    gold: Sequence["GoldAlignment"] | None,
    chosen: Sequence[int],
    name: str | None,
) -> list["ShownPair"]:
    """Put together what is shown of the pairs chosen; warn of what suggests a mix-up.

    Raises:
        LinkFormatError: a link, of the file so named, lies outside its pair.
    """
    from aligner.links.evaluation import suspicions
    from aligner.view.page import ShownPair

    for index in chosen:
        _check_inside(name, index, links[index], words[index])
    if gold:
        for warning in suspicions(
            [gold[i] for i in chosen], [links[i] for i in chosen]
        ):
            say(f"warning: {warning}")
    return [
        ShownPair(
            index + 1,
            words[index],
            links[index],
            gold[index] if gold else None,
            aligner.problem(words[index]),
        )
        for index in chosen
    ]


def _check_inside(
    name: str | None, index: int, links: "Alignment", words: "WordPair"
) -> None:
    src_words, tgt_words = map(len, words)
    for src, tgt in sorted(links):
        if src >= src_words or tgt >= tgt_words:
            raise LinkFormatError(
                f"{name}, pair {index + 1}: expected links between {src_words} source "
                f"and {tgt_words} target words, got {src}-{tgt} (counted from 0)"
            )
