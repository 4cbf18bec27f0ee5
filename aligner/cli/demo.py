"""aligner demo: the whole path on the sample corpus."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import DEVICE, within
from aligner.cli.outputs import check_directory
from aligner.cli.training import train_and_show
from aligner.errors import ConfigError
from aligner.ranges import SEED
from aligner.terms import Score

if TYPE_CHECKING:
    from aligner.links.alignment import Alignment
    from aligner.nmt.checkpoint import TranslationModel
    from aligner.sample.grammar import SamplePair

TRAIN_PAIRS, TEST_PAIRS = 12_000, 500
MARK = ".aligner-demo"  # says that the folder is a demo's
DRAWN_PAIRS, DRAWN_WIDTH = 3, 78
DEFAULT_RULE = "soft"
NORM_AND_PRIOR = "norm+prior"  # what `aligner align` does by default


def demo(
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The folder for the text, the model, the alignments."
        ),
    ] = Path("aligner-demo"),
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", callback=within(SEED), help="For the corpus and training."
        ),
    ] = 1,
    device: Annotated[str, DEVICE] = "auto",
) -> None:
    """Train and align on a made-up English-German corpus: the main job in small."""
    from aligner.files import write_whole
    from aligner.nmt.config import read_config
    from aligner.sample.grammar import sample_corpus
    from aligner.training.corpus import TrainingFiles
    from aligner.training.processes import ALONE
    from aligner.training.task import Task

    check_directory(out)
    if out.exists() and not (out / MARK).exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: expected a new folder, or one of an earlier demo")
    write_whole(out / MARK, "")
    say(f"making {TRAIN_PAIRS} sentence pairs, and {TEST_PAIRS} to test on, in {out}/")
    pairs = sample_corpus(TRAIN_PAIRS + TEST_PAIRS, seed)
    test = pairs[TRAIN_PAIRS:]
    _write_text(out, "train", pairs[:TRAIN_PAIRS])
    _write_text(out, "test", test)
    files = TrainingFiles(str(out / "train.en"), str(out / "train.de"))
    recipe = read_config("tiny").with_training(seed=seed)
    task = Task.new(files, recipe, out / "model", overwrite=True)
    model = train_and_show(task, resolve_device(device), math.inf, ALONE)
    systems = _align(model, test, out)
    _draw(test, systems[f"{NORM_AND_PRIOR} {DEFAULT_RULE}"])
    _print_scores(test, systems)
    _print_next_steps()


def _write_text(out: Path, name: str, pairs: Sequence["SamplePair"]) -> None:
    """Write a part of the corpus with its gold alignments."""
    from aligner.files import write_whole
    from aligner.links.formats import format_gold

    for suffix, lines in (
        ("en", (" ".join(pair.src) for pair in pairs)),
        ("de", (" ".join(pair.tgt) for pair in pairs)),
        ("gold", (format_gold(pair.gold) for pair in pairs)),
    ):
        write_whole(out / f"{name}.{suffix}", "".join(f"{line}\n" for line in lines))


def _align(
    model: "TranslationModel", test: Sequence["SamplePair"], out: Path
) -> dict[str, list["Alignment"]]:
    """Align the test text in each way; write a Pharaoh file for each."""
    from dataclasses import replace

    from aligner.extraction.aligner import (
        Aligner,
        stored_reading,
        stored_rule,
        stored_weight,
    )
    from aligner.extraction.link_rule import LinkRule
    from aligner.files import write_whole
    from aligner.links.formats import format_pharaoh

    words = [(pair.src, pair.tgt) for pair in test]
    reading = stored_reading(model)
    systems = {}
    for score in ("weight", "norm", NORM_AND_PRIOR):
        kind: Score = "weight" if score == "weight" else "norm"
        prior_weight = stored_weight(model) if score == NORM_AND_PRIOR else 0.0
        rules = {
            "forward": LinkRule("forward"),
            "reverse": LinkRule("reverse"),
            DEFAULT_RULE: stored_rule(model, prior_weight=prior_weight),
        }
        for name, rule in rules.items():
            aligner = Aligner(
                model, replace(reading, score=kind), rule, prior_weight=prior_weight
            )
            links = [pair.links for pair in aligner.align(words)]
            lines = (format_pharaoh(one) + "\n" for one in links)
            write_whole(out / f"test.{score}.{name}.align", "".join(lines))
            systems[f"{score} {name}"] = links
    return systems


def _draw(test: Sequence["SamplePair"], links: Sequence["Alignment"]) -> None:
    """Draw the first pairs that fit the screen and are not in plain order."""
    from rich.console import Console

    from aligner.cli.drawing import LEGEND, draw

    console = Console(highlight=False)
    drawn = 0
    for pair, aligned in zip(test, links, strict=True):
        width = max(map(len, pair.src)) + sum(len(word) + 2 for word in pair.tgt)
        straight = all(abs(i - j) < 2 for i, j in pair.gold.sure)
        if width <= DRAWN_WIDTH and not straight and drawn < DRAWN_PAIRS:
            console.print("", draw(pair.src, pair.tgt, aligned, pair.gold), sep="\n")
            drawn += 1
    console.print(f"\n{LEGEND}\n")


def _print_scores(
    test: Sequence["SamplePair"], systems: dict[str, list["Alignment"]]
) -> None:
    from aligner.cli.tables import print_table
    from aligner.links.evaluation import score

    rows = []
    for name, links in systems.items():
        result = score([pair.gold for pair in test], links)
        rates = (result.aer, result.precision, result.recall)
        rows.append([name, *(f"{100 * rate:.1f}" for rate in rates)])
    print_table(
        f"{len(test)} held-out sentence pairs, in %",
        ["attention", "AER", "precision", "recall"],
        rows,
    )


def _print_next_steps() -> None:
    print(
        "\nWith your own text, a sentence a line, words between spaces:\n"
        "\n"
        "  aligner train --src my.en --tgt my.fr --out models/enfr --max-minutes 20\n"
        "  aligner align models/enfr --src my.en --tgt my.fr > my.align\n"
    )
