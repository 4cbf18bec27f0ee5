"""aligner analyze: the experiments of Kobayashi et al. (2020), as commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import (
    DEVICE,
    FLAG,
    GOLD_BASE,
    GOLD_FORMAT,
    GOLD_REVERSE,
    LANGUAGES,
    REVERSE_MODEL,
    SRC,
    TGT,
    THREADS,
    TOKENIZE,
    within,
)
from aligner.cli.outputs import check_directory
from aligner.cli.progress import ShareProgress
from aligner.errors import ConfigError, CorpusError
from aligner.ranges import COUNT
from aligner.terms import GoldFormat, OneWay

if TYPE_CHECKING:
    from aligner.analysis.report.content import Report

app = typer.Typer(
    help="Compare attention weights with norms, and write a report.",
    no_args_is_help=True,
)
REPORT_DIRECTORY = typer.Option(
    metavar="DIR", help="The directory to write the report into."
)
OVERWRITE = typer.Option(
    "--overwrite", metavar=FLAG, help="Replace a report that is already in --out."
)


@app.command()
def nmt(
    models: Annotated[
        list[Path],
        typer.Argument(
            help="Model directories: one, or several seeds of one recipe; or one of "
            "others."
        ),
    ],
    src: Annotated[str, SRC],
    gold: Annotated[
        str, typer.Option(metavar="FILE", help="The gold alignments of the text.")
    ],
    tgt: Annotated[str | None, TGT] = None,
    gold_format: Annotated[GoldFormat | None, GOLD_FORMAT] = None,
    gold_base: Annotated[int | None, GOLD_BASE] = None,
    gold_reverse: Annotated[bool, GOLD_REVERSE] = False,
    out: Annotated[Path, REPORT_DIRECTORY] = Path("analysis-nmt"),
    direction: Annotated[
        OneWay,
        typer.Option(
            metavar="NAME", help="forward: the target is written; reverse: the source."
        ),
    ] = "forward",
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
    max_length: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=within(COUNT),
            help="Subwords on a side; longer pairs count as unlinked.",
        ),
    ] = 500,
    frequency_text: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Text of the language that is read, to count its words; default: the "
            "training text, if it is still where it was.",
        ),
    ] = None,
    reverse_model: Annotated[str | None, REVERSE_MODEL] = None,
    languages: Annotated[tuple[str, str] | None, LANGUAGES] = None,
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
    overwrite: Annotated[bool, OVERWRITE] = False,
) -> None:
    """Score every layer and head of translation models against gold alignments.

    By attention weight, by norm and by three scores of later work; read where a target
    word is fed in (AWI) and where it is predicted (AWO); what choosing without gold
    costs; and what all attention makes of punctuation, and of frequent words.
    """
    from aligner.analysis.nmt.experiment import GoldText, run_experiment
    from aligner.analysis.nmt.studied import others_of
    from aligner.analysis.nmt.training_words import count_words
    from aligner.cli.gold_text import read_gold_of, read_pairs
    from aligner.text.bitext import check_read_once, read_lines
    from aligner.text.tokenizers import word_tokenizers

    _check(out, overwrite)
    check_read_once(src, tgt, gold, frequency_text)
    others = others_of(models, reverse_model, languages)
    pairs = read_pairs(src, tgt, tokenize)
    if not any(all(pair) for pair in pairs):
        raise CorpusError(f"{src}: expected sentence pairs, got no words")
    reference = read_gold_of(pairs, gold, gold_format, gold_base, reverse=gold_reverse)
    settings = {
        "command": "aligner analyze nmt",
        "src": src,
        "tgt": tgt,
        "gold": gold,
        "pairs": len(pairs),
        "sure links": sum(len(one.sure) for one in reference),
        "possible links": sum(len(one.possible) for one in reference),
        "direction": direction,
        "reverse_model": reverse_model,
        "languages": languages,
        "tokenize": tokenize,
        "max_length": max_length,
        "frequency_text": frequency_text or "the training text",
    }
    text = GoldText(pairs, reference, direction, max_length)
    words = None
    if frequency_text is not None:
        split = word_tokenizers(tokenize)[0 if direction == "forward" else 1]
        words = count_words(map(split, read_lines(frequency_text)))
        if not words:
            raise CorpusError(f"{frequency_text}: expected text, got no words")
    with ShareProgress("pairs read") as progress:
        report = run_experiment(
            models,
            text,
            settings,
            resolve_device(device, threads),
            words,
            progress,
            others,
        )
    _write(out, report)


@app.command()
def bert(
    model: Annotated[
        str,
        typer.Argument(
            help="A directory in the format of Hugging Face transformers, or a hub "
            "name: BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT or ELECTRA."
        ),
    ],
    text: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Text to read, a sequence a line; '-' is stdin."
        ),
    ],
    out: Annotated[Path, REPORT_DIRECTORY] = Path("analysis-bert"),
    frequency_text: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Text to count tokens in, such as what the model learnt on.",
        ),
    ] = None,
    batch_tokens: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=within(COUNT),
            help="Tokens read at a time, padding included.",
        ),
    ] = 2048,
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
    overwrite: Annotated[bool, OVERWRITE] = False,
) -> None:
    """Show how an encoder's attention treats special tokens, by weight and by norm.

    With what varies, weights or vectors, and what frequent tokens get.
    """
    from aligner.analysis.encoder.encoder import Encoder
    from aligner.analysis.encoder.study import study_encoder
    from aligner.text.bitext import check_read_once, read_lines

    _check(out, overwrite)
    check_read_once(text, frequency_text)
    encoder = Encoder.load(model, resolve_device(device, threads))
    frequency_lines = None if frequency_text is None else read_lines(frequency_text)
    settings = {
        "command": "aligner analyze bert",
        "text": text,
        "frequency_text": frequency_text or text,
        "batch_tokens": batch_tokens,
    }
    lines = list(read_lines(text))
    if not any(map(str.strip, lines)):
        raise CorpusError(f"{text}: expected text, got no words")
    with ShareProgress("sequences read") as progress:
        report = study_encoder(
            encoder,
            lines,
            frequency_lines,
            settings,
            batch_tokens=batch_tokens,
            on_progress=progress,
        )
    _write(out, report)


def _check(out: Path, overwrite: bool) -> None:
    """Check, before any work, that a report can be drawn and written."""
    from aligner.analysis.report.directory import REPORT
    from aligner.analysis.report.figures import require_matplotlib

    require_matplotlib()
    check_directory(out)
    if (out / REPORT).exists() and not overwrite:
        raise ConfigError(
            f"{out}: a report is there already; expected --overwrite or another --out"
        )


def _write(out: Path, report: "Report") -> None:
    from aligner.analysis.report.directory import (
        PAGE,
        REPORT,
        clear_report,
        write_report,
    )

    for note in report.notes:
        say(f"note: {note}")
    if (out / REPORT).exists():
        clear_report(out)
    write_report(out, report)
    say(f"report: {out / PAGE}")
