"""aligner train: learn a translation model from parallel text."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aligner.cli.console import resolve_device, say
from aligner.cli.options import DEVICE, SRC, TGT
from aligner.errors import ConfigError

if TYPE_CHECKING:
    from aligner.cli.training_text import TrainingFiles

Direction = Literal["both", "forward"]


def train(
    out: Annotated[Path, typer.Option(help="The model directory to write.")],
    src: Annotated[
        str | None,
        SRC,
    ] = None,
    tgt: Annotated[str | None, TGT] = None,
    config: Annotated[
        str, typer.Option(help="A recipe: its path, or tiny, small, base.")
    ] = "small",
    valid_src: Annotated[
        str | None,
        typer.Option(help="Validation text; by default a slice is held out."),
    ] = None,
    valid_tgt: Annotated[str | None, typer.Option(help="Its target side.")] = None,
    tokenize: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="SRC TGT",
            help="Tokenize raw text by Moses' rules for two languages, such as en fr. "
            "By default words stand between spaces.",
        ),
    ] = None,
    guide: Annotated[
        str,
        typer.Option(
            help="What guides the attention: auto, a statistical aligner estimated "
            "from the text itself; none, translation alone, as in the paper; or a "
            "file of Pharaoh lines for the training text."
        ),
    ] = "auto",
    direction: Annotated[
        Direction | None, typer.Option(help="Overrides the recipe's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Overrides the recipe's.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Rounds of training, each guided by what the one before has found in "
            "the training text. Overrides the recipe's.",
        ),
    ] = None,
    max_minutes: Annotated[
        float,
        typer.Option(
            help="Stop the network's training after this time; the prior before it, "
            "aligning between rounds, and the last figures take a minute or two each."
        ),
    ] = math.inf,
    device: Annotated[str, DEVICE] = "auto",
    resume: Annotated[
        bool, typer.Option(help="Go on from the last checkpoint in --out.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option(help="Replace a model that is already there.")
    ] = False,
) -> None:
    """Train a translation model on parallel text, for `aligner align`.

    Kill it at any moment: the same command with --resume goes on.
    """
    from aligner.cli.training_run import train_model
    from aligner.cli.training_text import TrainingFiles
    from aligner.nmt.config import read_config

    if not max_minutes > 0:
        raise ConfigError(f"--max-minutes: expected more than 0, got {max_minutes:g}")
    changes: dict[str, Any] = {"direction": direction, "seed": seed, "rounds": rounds}
    changes = {key: value for key, value in changes.items() if value is not None}
    if resume:
        files, recipe = TrainingFiles.of_run(out)
        if recipe.with_training(**changes) != recipe:
            raise ConfigError(
                "--resume: expected the --direction, --seed and --rounds as before"
            )
        given = (
            _files(src, tgt, valid_src, valid_tgt, tokenize, guide) if src else files
        )
        if given.to_meta() != files.to_meta():
            raise ConfigError("--resume: expected the same text and --guide as before")
    else:
        files = _files(src, tgt, valid_src, valid_tgt, tokenize, guide)
        recipe = read_config(config).with_training(**changes)
        if recipe.training.rounds > 1 and guide == "none":
            raise ConfigError(
                f"rounds = {recipe.training.rounds}: expected a --guide, got none"
            )
        _check_vacant(out, overwrite)
    train_model(
        files, recipe, out, resolve_device(device), max_minutes * 60, resume=resume
    )
    say(f"model: {out}")
    say(f"align with: aligner align {out} --src FILE --tgt FILE > FILE.align")


def _files(
    src: str | None,
    tgt: str | None,
    valid_src: str | None,
    valid_tgt: str | None,
    tokenize: tuple[str, str] | None,
    guide: str,
) -> "TrainingFiles":
    from aligner.cli.training_text import TrainingFiles

    if src is None:
        raise ConfigError("--src: expected the training text, got nothing")
    if valid_tgt is not None and valid_src is None:
        raise ConfigError("--valid-tgt: expected --valid-src beside it, got nothing")
    if [src, tgt, valid_src, valid_tgt].count("-") > 1:
        raise ConfigError("-: stdin can be read once only")
    return TrainingFiles(src, tgt, valid_src, valid_tgt, tokenize, guide)


def _check_vacant(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: expected a directory to write to, got a file")
    there = any((out / name).exists() for name in ("config.toml", "model.safetensors"))
    if there and not overwrite:
        raise ConfigError(
            f"{out}: a model is there already; expected --resume to go on with it, "
            "--overwrite to replace it, or another --out"
        )
