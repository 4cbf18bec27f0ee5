"""aligner analyze: the experiments of Kobayashi et al. (2020), as commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import (
    DEVICE,
    GOLD_BASE,
    GOLD_FORMAT,
    GOLD_REVERSE,
    SRC,
    TGT,
)
from aligner.cli.progress import ShareProgress
from aligner.errors import ConfigError

if TYPE_CHECKING:
    from aligner.analysis.nmt_measures import Direction, ModelMeasures
    from aligner.analysis.report import Report
    from aligner.cli.gold_text import WordPair
    from aligner.links.alignment import GoldAlignment
    from aligner.nmt.checkpoint import TranslationModel

app = typer.Typer(
    help="Compare attention weights with norms, and write a report.",
    no_args_is_help=True,
)
REPORT_DIRECTORY = typer.Option(help="The directory to write the report into.")
OVERWRITE = typer.Option(
    "--overwrite", help="Replace a report that is already in --out."
)


@app.command()
def nmt(
    models: Annotated[
        list[Path],
        typer.Argument(help="Model directories: one, or several seeds of one recipe."),
    ],
    src: Annotated[str, SRC],
    gold: Annotated[str, typer.Option(help="The gold alignments of the text.")],
    tgt: Annotated[str | None, TGT] = None,
    gold_format: Annotated[
        Literal["pharaoh", "talp", "naacl"] | None, GOLD_FORMAT
    ] = None,
    gold_base: Annotated[int | None, GOLD_BASE] = None,
    gold_reverse: Annotated[bool, GOLD_REVERSE] = False,
    out: Annotated[Path, REPORT_DIRECTORY] = Path("analysis-nmt"),
    direction: Annotated[
        Literal["forward", "reverse"],
        typer.Option(help="forward: the target is written; reverse: the source."),
    ] = "forward",
    tokenize: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="SRC TGT", help="Tokenize raw text by Moses' rules, as in training."
        ),
    ] = None,
    max_length: Annotated[
        int,
        typer.Option(min=1, help="Subwords on a side; longer pairs count as unlinked."),
    ] = 500,
    device: Annotated[str, DEVICE] = "auto",
    overwrite: Annotated[bool, OVERWRITE] = False,
) -> None:
    """Score every layer and head of translation models against gold alignments.

    By attention weight, by norm and by three scores of later work; read where a target
    word is fed in (AWI) and where it is predicted (AWO); and what choosing without
    gold costs.
    """
    from aligner.analysis.nmt_study import study_models
    from aligner.cli.gold_text import read_gold_of, read_pairs

    _check(out, overwrite)
    if [src, tgt, gold].count("-") > 1:
        raise ConfigError("-: stdin can be read once only")
    pairs = read_pairs(src, tgt, tokenize)
    reference = read_gold_of(pairs, gold, gold_format, gold_base, reverse=gold_reverse)
    text = GoldText(pairs, reference, direction, max_length)
    measured, described = _measure(models, text, resolve_device(device))
    settings = {
        "command": "aligner analyze nmt",
        "models": described,
        "src": src,
        "tgt": tgt,
        "gold": gold,
        "pairs": len(pairs),
        "sure links": sum(len(one.sure) for one in reference),
        "possible links": sum(len(one.possible) for one in reference),
        "direction": direction,
        "tokenize": tokenize,
        "max_length": max_length,
    }
    report = study_models(measured, reference, settings, _notes(described, text))
    _write(out, report)


class GoldText(NamedTuple):
    """What models are measured on."""

    pairs: list["WordPair"]
    gold: list["GoldAlignment"]
    direction: "Direction"
    max_length: int


def _measure(
    directories: list[Path], text: GoldText, device: str
) -> tuple[list["ModelMeasures"], list[dict[str, Any]]]:
    """Return the figures of each model, and what it is."""
    from aligner.analysis.nmt_measures import measure_model
    from aligner.extraction.aligner import Aligner, LinkRule
    from aligner.extraction.forced_decoding import Reading, Segmented
    from aligner.nmt.checkpoint import load_model

    measured, described = [], []
    done, of = 0, len(directories) * len(text.pairs)
    with ShareProgress("pairs measured") as progress:
        for directory, name in zip(directories, _names(directories), strict=True):
            model = load_model(directory, device)
            # Only to tell which pairs can be read.
            aligner = Aligner(
                model, Reading(0, "awi"), LinkRule("forward"), text.max_length
            )
            problems = [aligner.problem(pair) for pair in text.pairs]
            segmented = [
                None if problem else Segmented.of(pair, model.subwords)
                for pair, problem in zip(text.pairs, problems, strict=True)
            ]
            measured.append(
                measure_model(name, model, segmented, text.gold, text.direction)
            )
            described.append(_description(directory, model, problems))
            done += len(text.pairs)
            progress(done, of)
    return measured, described


def _names(directories: list[Path]) -> list[str]:
    """Return a short name for each model, different from the others."""
    names = [directory.resolve().name for directory in directories]
    if len(set(names)) == len(names):
        return names
    return [f"{number}: {name}" for number, name in enumerate(names, start=1)]


def _description(
    directory: Path, model: "TranslationModel", problems: list[str]
) -> dict[str, Any]:
    """Return what a model is, for the settings of a report."""
    training = model.meta.get("training", {})
    files = model.meta.get("files", {})
    return {
        "directory": str(directory),
        "seed": model.config.training.seed,
        "guide": files.get("guide", "none"),
        "config": model.config.model_dump(),
        "updates": training.get("updates"),
        "training minutes": round(training.get("seconds", 0) / 60, 1),
        "perplexity": training.get("perplexity"),
        "training pairs": model.meta.get("data", {}).get("pairs"),
        "unread pairs": sum(map(bool, problems)),
    }


def _notes(described: list[dict[str, Any]], text: GoldText) -> list[str]:
    """Return what a reader of the figures has to know."""
    guided = [m["directory"] for m in described if m["guide"] != "none"]
    seeds = ", ".join(str(model["seed"]) for model in described)
    notes = [
        f"{len(text.pairs)} sentence pairs; {len(described)} "
        f"model{'s' * (len(described) > 1)}, seed {seeds}.",
        "One direction, each word of the side that is written links to one word or to "
        "none: not to be compared with alignments joined from both directions.",
    ]
    if guided:
        notes.append(
            f"Trained with a guide, so not what the paper studies: {', '.join(guided)}."
        )
    else:
        notes.append("Trained without a guide, on translation alone.")
    if unread := sum(model["unread pairs"] for model in described):
        notes.append(
            f"{unread} pairs could not be read (an empty or overlong side) and count "
            "as unlinked."
        )
    return notes


def _check(out: Path, overwrite: bool) -> None:
    """Check, before any work, that a report can be drawn and written."""
    from aligner.analysis.figures import require_matplotlib

    require_matplotlib()
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: expected a directory to write to, got a file")
    if (out / "report.json").exists() and not overwrite:
        raise ConfigError(
            f"{out}: a report is there already; expected --overwrite or another --out"
        )


def _write(out: Path, report: "Report") -> None:
    from aligner.analysis.report import REPORT, clear_report, write_report

    if (out / REPORT).exists():
        clear_report(out)
    write_report(out, report)
    say(f"report: {out / 'report.html'}")
