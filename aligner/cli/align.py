"""aligner align: write the word alignments of parallel text."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say, speak_as
from aligner.cli.link_lines import Places, Style, Written, say_of_all, write_lines
from aligner.cli.options import (
    CHOICE,
    COVER,
    DEVICE,
    ENCODER,
    FLAG,
    FORMAT,
    LANGUAGES,
    LAYER,
    MAX_LENGTH,
    OFFSETS,
    OUT,
    PRECISION,
    PRESET,
    REVERSE_MODEL,
    ROWS,
    SCORES,
    SENTENCE_SCORES,
    SRC,
    TGT,
    THREADS,
    TOKENIZE,
    WORDS,
    of_links,
    of_output,
    of_reading,
    within,
)
from aligner.cli.outputs import check_inputs_are_kept, open_files
from aligner.cli.pretrained import (
    Asked,
    NamedModels,
    check_is_kept,
    pretrained_aligner,
    text_languages,
)
from aligner.cli.progress import AlignmentProgress
from aligner.cli.ranks import open_shares
from aligner.cli.readings import reading_of
from aligner.cli.shards import (
    NumberedChunk,
    ReadingPlace,
    Shard,
    check_shareable,
    chunks_of_shard,
    parse_shard,
)
from aligner.cli.torchrun import Rank, rank_from_environment
from aligner.errors import ConfigError
from aligner.ranges import COUNT, SHARE
from aligner.terms import (
    Cover,
    Direction,
    LinkFormat,
    Offsets,
    Precision,
    Preset,
    Rows,
    Score,
    Symmetrization,
)

if TYPE_CHECKING:
    from aligner.extraction.link_rule import LinkRule
    from aligner.extraction.pair_aligner import PairAligner, WordPair


def align(
    model: Annotated[
        Path,
        typer.Argument(help="A model directory, ours or others'.", metavar="MODEL"),
    ],
    src: Annotated[str, SRC],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
    max_length: Annotated[int, MAX_LENGTH] = 500,
    scores: Annotated[bool, SCORES] = False,
    sentence_scores: Annotated[Path | None, SENTENCE_SCORES] = None,
    format: Annotated[LinkFormat, FORMAT] = "pharaoh",
    offsets: Annotated[Offsets | None, OFFSETS] = None,
    words: Annotated[Path | None, WORDS] = None,
    shard: Annotated[
        str | None,
        of_output(
            metavar="I/N",
            help="Align only share I, from 1, of N, such as 2/10, into OUT.02: the "
            "shares, one after the other, are what one process writes.",
        ),
    ] = None,
    line_by_line: Annotated[
        bool,
        of_output(
            "--line-by-line",
            metavar=FLAG,
            help="Answer each line as soon as it has come, for programs that wait for "
            "it; several times slower.",
        ),
    ] = False,
    preset: Annotated[Preset, PRESET] = "balanced",
    threshold: Annotated[
        float | None,
        of_links(
            metavar="X",
            callback=within(SHARE),
            help="What the mean of a link's two scores must exceed, 0 to 1; "
            "default: the preset's.",
        ),
    ] = None,
    one_to_one: Annotated[
        bool,
        of_links(
            "--one-to-one", metavar=FLAG, help="Only the best one-to-one matching."
        ),
    ] = False,
    symmetrize: Annotated[
        Symmetrization,
        of_links(
            metavar="RULE",
            help="Join both directions by their scores (soft, the default), or by one "
            "of Moses' rules: intersection, union, grow, grow-diag, grow-diag-final, "
            "grow-diag-final-and.",
        ),
    ] = "soft",
    cover: Annotated[Cover | None, COVER] = None,
    direction: Annotated[
        Direction | None,
        of_links(
            metavar="NAME",
            help="forward: each target word chooses a source word; reverse: the other "
            "way round; both, the default, if the model can.",
        ),
    ] = None,
    prior_weight: Annotated[
        float | None,
        of_reading(
            metavar="X",
            callback=within(SHARE),
            help="What the statistical prior counts beside the attention, from 0, "
            "not mixed in, to 1, alone. Default: as the model has it.",
        ),
    ] = None,
    encoder: Annotated[str | None, ENCODER] = None,
    reverse_model: Annotated[str | None, REVERSE_MODEL] = None,
    languages: Annotated[tuple[str, str] | None, LANGUAGES] = None,
    choice: Annotated[Path | None, CHOICE] = None,
    layer: Annotated[int | None, LAYER] = None,
    head: Annotated[
        int | None,
        of_reading(
            metavar="N",
            callback=within(COUNT),
            help="One head, from 1; default: all together.",
        ),
    ] = None,
    rows: Annotated[Rows | None, ROWS] = None,
    score: Annotated[
        Score,
        of_reading(
            metavar="NAME",
            help="norm, the default; weight, the baseline; resln, norms after the "
            "layer's end; alti-l1 or alti-l2, contributions.",
        ),
    ] = "norm",
    precision: Annotated[Precision, PRECISION] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
) -> None:
    """Align parallel text: a line of `i-j` links for each pair, counted from 0."""
    from aligner.extraction.aligner import (
        Aligner,
        stored_rule,
        stored_weight,
        with_encoder,
    )
    from aligner.extraction.link_rule import LinkRule
    from aligner.nmt.checkpoint import load_model
    from aligner.text.bitext import check_read_once, first_piped, read_bitext
    from aligner.text.tokenizers import word_tokenizers

    rank = rank_from_environment()
    speak_as(rank.number if rank else 0)
    check_read_once(src, tgt)
    part = _share(shard, rank, src, tgt)
    style = Style(format, offsets, scores)
    style.check()
    tokenized = text_languages(model, choice, tokenize)
    places = Places.of(
        out,
        tokenized is not None,
        sentence_scores,
        words,
        style,
        None if rank else part,
    )
    if rank:
        places = places._replace(is_first=rank.number == 0)
    if rank and places.has_stdout:
        raise ConfigError("under torchrun: expected --out, a file for all processes")
    if rank and (odd := [p for p in places.files if p.exists() and not p.is_file()]):
        raise ConfigError(f"under torchrun: expected --out a file, got {odd[0]}")
    check_inputs_are_kept(places.files, src, tgt)
    src_words, tgt_words = word_tokenizers(tokenized)
    place = ReadingPlace(src, part)

    def read() -> Iterator["WordPair"]:
        lines = read_bitext(src, tgt, listen=place.note)
        return ((src_words(s), tgt_words(t)) for s, t in lines)

    of_links = direction, symmetrize, preset, threshold, one_to_one, cover
    others = NamedModels(str(model), reverse_model, languages, choice, encoder)
    if others.are_meant:
        check_is_kept(src, tgt, others)
        models = others.load(resolve_device(device, threads))
        asked = Asked.of(layer, rows, score, head, prior_weight)
        rule = _rule(LinkRule("both" if len(models) == 2 else "forward"), *of_links)
        wanted = preset if threshold is None else None
        aligner: PairAligner = pretrained_aligner(
            others, models, read, asked, rule, wanted, max_length, precision
        )
    else:
        loaded = load_model(model, resolve_device(device, threads))
        weight = stored_weight(loaded) if prior_weight is None else prior_weight
        rule = _rule(stored_rule(loaded, preset, weight), *of_links)
        reading = reading_of(loaded, layer, rows, score, head)
        if encoder is not None and not weight:
            raise ConfigError("--encoder: expected a --prior-weight above 0, got 0")
        if prior_weight and loaded.prior is None:
            raise ConfigError(f"--prior-weight {weight:g}: {model} has no prior")
        prior = None
        if encoder is not None:
            first = () if first_piped(src, tgt) else read()
            prior = with_encoder(loaded, model, encoder, precision, first)
        aligner = Aligner(loaded, reading, rule, max_length, weight, precision, prior)
    chunks = chunks_of_shard(read, part, 1 if line_by_line else None)
    progress = AlignmentProgress(place.share, shown_by=rank)
    written = _write_together(aligner, chunks, places, progress, rank)
    where = f" in share {part.number} of {part.of}" if part and not rank else ""
    say_of_all(written, where)


def _share(
    shard: str | None, rank: Rank | None, src: str, tgt: str | None
) -> Shard | None:
    """Return the share of the text that is ours; None where all is.

    Raises:
        ConfigError: the text cannot be shared so.
    """
    part = None if shard is None else parse_shard(shard)
    if rank and part:
        raise ConfigError("under torchrun: expected no --shard")
    if rank:
        part = Shard(rank.number + 1, rank.of)
    check_shareable(part, src, tgt)
    return part


def _write_together(
    aligner: "PairAligner",
    chunks: Iterable[NumberedChunk],
    places: Places,
    progress: AlignmentProgress,
    rank: Rank | None,
) -> list[Written]:
    """Write all lines; return what each process wrote, if there are several."""
    if rank is None:
        with open_files(places.files) as files:
            lines = places.opened(files)
            return [write_lines(aligner.align_chunk, chunks, lines, progress, say)]
    from aligner.training.processes import joined

    with joined(rank.number, rank.of) as processes:
        with open_shares(places.files, processes) as files:
            lines = places.opened(files)
            written = write_lines(aligner.align_chunk, chunks, lines, progress)
        return processes.gathered(written)


def _rule(
    stored: "LinkRule",
    direction: "Direction | None",
    symmetrize: Symmetrization,
    preset: Preset,
    threshold: float | None,
    one_to_one: bool,
    cover: Cover | None,
) -> "LinkRule":
    """Return what the options say of links, and for the rest what is stored.

    Raises:
        ConfigError: an option has no effect beside the others.
    """
    from aligner.extraction.link_rule import LinkRule

    rule = LinkRule(
        direction or stored.direction,
        symmetrize,
        stored.threshold if threshold is None else threshold,
        one_to_one,
        cover,
        stored.mean,
    )
    of_soft = {
        f"--preset {preset}": preset != "balanced",
        "--threshold": threshold is not None,
        "--one-to-one": one_to_one,
    }
    given = [option for option, is_given in of_soft.items() if is_given]
    if given and rule.direction != "both":
        raise ConfigError(f"{given[0]}: expected both directions, got {rule.direction}")
    if given and symmetrize != "soft":
        raise ConfigError(f"{given[0]}: expected --symmetrize soft, got {symmetrize}")
    if threshold is not None and preset != "balanced":
        raise ConfigError(f"--threshold: expected no --preset beside it, got {preset}")
    return rule
