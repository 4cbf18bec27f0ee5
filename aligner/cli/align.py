"""aligner align: write the word alignments of parallel text."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say, speak_as
from aligner.cli.link_lines import Places, Written, say_of_all, write_lines
from aligner.cli.options import (
    DEVICE,
    LAYER,
    MAX_LENGTH,
    OUT,
    PRECISION,
    SRC,
    TGT,
    THREADS,
    within,
)
from aligner.cli.outputs import check_inputs_are_kept, open_files
from aligner.cli.progress import AlignmentProgress
from aligner.cli.ranks import Rank, open_shares, rank_from_environment
from aligner.cli.readings import reading_of
from aligner.cli.shards import (
    NumberedChunk,
    ReadingPlace,
    Shard,
    chunks_of_shard,
    parse_shard,
)
from aligner.errors import ConfigError
from aligner.ranges import COUNT, SHARE
from aligner.terms import Direction, Precision, Preset, Rows, Score, Symmetrization

if TYPE_CHECKING:
    from aligner.extraction.aligner import Aligner, WordPair
    from aligner.extraction.link_rule import LinkRule
    from aligner.nmt.checkpoint import TranslationModel


def align(
    model: Annotated[Path, typer.Argument(help="A model directory.")],
    src: Annotated[
        str,
        SRC,
    ],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    preset: Annotated[
        Preset,
        typer.Option(
            help="precise: few but safe links; recall: many; balanced: in between."
        ),
    ] = "balanced",
    symmetrize: Annotated[
        Symmetrization,
        typer.Option(
            help="How both directions are joined: soft, by their scores; or by one of "
            "Moses' rules."
        ),
    ] = "soft",
    direction: Annotated[
        Direction | None,
        typer.Option(
            help="forward: each target word chooses a source word; reverse: the other "
            "way round. Default: both, or what the model can do."
        ),
    ] = None,
    score: Annotated[
        Score,
        typer.Option(
            help="Vector norms; attention weights as the baseline; resln, the norms "
            "after residual and layer normalisation; alti-l1 or alti-l2, ALTI's "
            "contributions of one layer."
        ),
    ] = "norm",
    layer: Annotated[int | None, LAYER] = None,
    head: Annotated[
        int | None,
        typer.Option(
            callback=within(COUNT), help="One head, from 1; default: all together."
        ),
    ] = None,
    rows: Annotated[
        Rows | None,
        typer.Option(
            help="Read a target word where it is fed in (awi), predicted (awo), or fed "
            "in with the whole target in view (full)."
        ),
    ] = None,
    prior_weight: Annotated[
        float | None,
        typer.Option(
            callback=within(SHARE),
            help="What the statistical prior counts beside the attention, from 0 (not "
            "at all) to 1 (alone); 0.5 by default, where the model has a prior.",
        ),
    ] = None,
    scores: Annotated[
        bool,
        typer.Option(
            "--scores", help="Write i-j:p, p about the probability that it is right."
        ),
    ] = False,
    sentence_scores: Annotated[
        Path | None,
        typer.Option(
            help="Write to this file how well each pair's sides fit, from 0 to 1."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            callback=within(SHARE),
            help="With soft: what the harmonic mean of a link's scores in both "
            "directions must exceed; default: the preset's.",
        ),
    ] = None,
    one_to_one: Annotated[
        bool, typer.Option("--one-to-one", help="With soft: best one-to-one matching.")
    ] = False,
    tokenize: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="SRC TGT",
            help="Tokenize raw text by Moses' rules for two languages; the words go "
            "to OUT.src and OUT.tgt.",
        ),
    ] = None,
    max_length: Annotated[
        int,
        MAX_LENGTH,
    ] = 500,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Align only share I, from 1, of N, such as 2/10, into OUT.02: the "
            "outputs of all shares, one after the other, are what one process writes.",
        ),
    ] = None,
    line_by_line: Annotated[
        bool,
        typer.Option(
            "--line-by-line",
            help="Answer each line as soon as it has come, for programs that wait for "
            "the answer; several times slower than many lines at a time.",
        ),
    ] = False,
    precision: Annotated[
        Precision,
        PRECISION,
    ] = "auto",
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
) -> None:
    """Align parallel text: a line of `i-j` links for each pair, counted from 0."""
    from aligner.extraction.aligner import PRIOR_WEIGHT, Aligner
    from aligner.nmt.checkpoint import load_model
    from aligner.text.bitext import check_read_once, read_bitext
    from aligner.text.words import word_tokenizers

    rank = rank_from_environment()
    speak_as(rank.number if rank else 0)
    check_read_once(src, tgt)
    part = _share(shard, rank, src, tgt)
    places = Places.of(
        out, tokenize is not None, sentence_scores, scores, None if rank else part
    )
    if rank and places.has_stdout:
        raise ConfigError("under torchrun: expected --out, a file for all processes")
    check_inputs_are_kept(places.files, src, tgt)
    loaded = load_model(model, resolve_device(device, threads))
    if _was_tokenized(loaded) and not tokenize:
        say("note: the model was trained with --tokenize; now words stand at spaces")
    rule = _rule(loaded, direction, symmetrize, preset, threshold, one_to_one)
    reading = reading_of(loaded, layer, rows, score, head)
    weight = PRIOR_WEIGHT if prior_weight is None else prior_weight
    if prior_weight and loaded.prior is None:
        raise ConfigError(f"--prior-weight {weight:g}: {model} has no prior")
    aligner = Aligner(loaded, reading, rule, max_length, weight, precision)
    src_words, tgt_words = word_tokenizers(tokenize)
    place = ReadingPlace(src, part)

    def read() -> Iterator["WordPair"]:
        lines = read_bitext(src, tgt, listen=place.note)
        return ((src_words(s), tgt_words(t)) for s, t in lines)

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
    from aligner.text.bitext import is_piped

    part = None if shard is None else parse_shard(shard)
    if rank and part:
        raise ConfigError("under torchrun: expected no --shard")
    if rank:
        part = Shard(rank.number + 1, rank.of)
    if part and any(is_piped(side) for side in (src, tgt) if side):
        raise ConfigError("a share of a text: expected it in files, to be read twice")
    return part


def _write_together(
    aligner: "Aligner",
    chunks: Iterable[NumberedChunk],
    places: Places,
    progress: AlignmentProgress,
    rank: Rank | None,
) -> list[Written]:
    """Write all lines; return what each process wrote, if there are several."""
    if rank is None:
        with open_files(places.files) as files:
            lines = places.opened(files)
            return [write_lines(aligner, chunks, lines, progress, say)]
    from aligner.training.processes import joined

    with joined(rank.number, rank.of) as processes:
        with open_shares(places.files, processes) as files:
            lines = places.opened(files)
            written = write_lines(aligner, chunks, lines, progress)
        return processes.gathered(written)


def _rule(
    model: "TranslationModel",
    direction: "Direction | None",
    symmetrize: Symmetrization,
    preset: Preset,
    threshold: float | None,
    one_to_one: bool,
) -> "LinkRule":
    """Return what the options say of links, and for the rest the model's own choice.

    Raises:
        ConfigError: an option has no effect beside the others.
    """
    from aligner.extraction.aligner import stored_rule
    from aligner.extraction.link_rule import LinkRule

    stored = stored_rule(model, preset)
    rule = LinkRule(
        direction or stored.direction,
        symmetrize,
        stored.threshold if threshold is None else threshold,
        one_to_one,
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


def _was_tokenized(model: "TranslationModel") -> bool:
    files = model.meta.get("files")
    return isinstance(files, dict) and bool(files.get("tokenize"))
