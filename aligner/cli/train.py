"""aligner train: learn a translation model from parallel text."""

import math
import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from aligner.cli.console import resolve_device, say, speak_as
from aligner.cli.options import (
    DEVICE,
    DICTIONARY,
    FLAG,
    SRC,
    TGT,
    THREADS,
    TOKENIZE,
    of_text,
    of_training,
    within,
)
from aligner.cli.outputs import check_directory
from aligner.cli.torchrun import rank_from_environment
from aligner.errors import ConfigError
from aligner.ranges import COUNT, SEED, TIME
from aligner.terms import TrainedDirection

if TYPE_CHECKING:
    from aligner.nmt.config import Config
    from aligner.training.corpus import TrainingFiles
    from aligner.training.task import Task


def train(
    out: Annotated[Path, of_text(metavar="DIR", help="The model directory to write.")],
    src: Annotated[str | None, SRC] = None,
    tgt: Annotated[str | None, TGT] = None,
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
    valid_src: Annotated[
        str | None,
        of_text(
            metavar="FILE", help="Validation text; by default a slice is held out."
        ),
    ] = None,
    valid_tgt: Annotated[
        str | None, of_text(metavar="FILE", help="Its target side.")
    ] = None,
    dictionary: Annotated[str | None, DICTIONARY] = None,
    max_minutes: Annotated[
        float,
        of_training(
            metavar="X",
            callback=within(TIME),
            help="Stop the network's training, of each seed, after this time. The "
            "prior before it, and the last figures, take a minute or two each.",
        ),
    ] = math.inf,
    config: Annotated[
        str | None,
        of_training(
            metavar="NAME", help="A recipe: its file, or tiny, small (default), base."
        ),
    ] = None,
    guide: Annotated[
        str | None,
        of_training(
            metavar="NAME",
            help="What guides the attention: auto, the default, a statistical aligner "
            "estimated from the text itself; none, translation alone, as in the paper; "
            "or a file of Pharaoh lines for the text.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        of_training(
            metavar="DIR",
            help="A pretrained encoder that knows both languages guides beside the "
            "prior; the model aligns without it. A directory, or a hub name.",
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        of_training(
            "--from",
            metavar="DIR",
            help="Go on from this model with more text: begin with its subwords and "
            "weights, and add to its prior's counts.",
        ),
    ] = None,
    direction: Annotated[
        TrainedDirection | None,
        of_training(metavar="NAME", help="both or forward; overrides the recipe's."),
    ] = None,
    seed: Annotated[
        int | None,
        of_training(metavar="N", callback=within(SEED), help="Overrides the recipe's."),
    ] = None,
    seeds: Annotated[
        int | None,
        of_training(
            metavar="N",
            callback=within(COUNT),
            help="Train so many models, one after the other, into OUT/seed-N; N counts "
            "from the seed.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        of_training(
            "--resume", metavar=FLAG, help="Go on from the last checkpoint in --out."
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        of_training(
            "--overwrite", metavar=FLAG, help="Replace a model that is already there."
        ),
    ] = False,
    device: Annotated[str, DEVICE] = "auto",
    threads: Annotated[int | None, THREADS] = None,
) -> None:
    """Train a translation model on parallel text, for `aligner align`.

    Kill it at any moment once the network learns: the same command with --resume
    goes on.
    """
    from aligner.cli.training import train_and_show
    from aligner.nmt.config import read_config
    from aligner.text.bitext import check_read_once, first_piped
    from aligner.training.processes import ALONE, joined

    rank = rank_from_environment()
    speak_as(rank.number if rank else 0)
    check_read_once(src, tgt, valid_src, valid_tgt, guide, dictionary, config)
    changes: dict[str, Any] = {"direction": direction, "seed": seed}
    changes = {key: value for key, value in changes.items() if value is not None}
    if resume and overwrite:
        raise ConfigError("--overwrite: expected no --resume beside it")
    of_text = {
        "--tgt": tgt,
        "--valid-src": valid_src,
        "--valid-tgt": valid_tgt,
        "--tokenize": tokenize,
        "--guide": guide,
        "--encoder": encoder,
        "--dictionary": dictionary,
        "--from": start_from,
    }
    check_directory(out)
    if src is None and (stray := [name for name, value in of_text.items() if value]):
        raise ConfigError(f"{stray[0]}: expected --src beside it, got nothing")
    text = None
    if src is not None:
        guide = guide or "auto"
        others = encoder, dictionary, start_from
        text = _files(src, tgt, valid_src, valid_tgt, tokenize, guide, *others)
    # Read once: it may be a pipe.
    recipe = read_config(config) if config else None
    given = Given(text, recipe, changes, resume, overwrite)
    if seeds is None:
        tasks = [given.task(out)]
    elif piped := first_piped(src, tgt, valid_src, valid_tgt, guide, dictionary):
        raise ConfigError(
            f"--seeds: expected files, to be read for each seed, got {piped!r}"
        )
    else:
        tasks = list(_tasks_of_seeds(out, given, seeds))
    if rank and (piped := first_piped(src, tgt, valid_src, valid_tgt, guide, config)):
        raise ConfigError(
            f"under torchrun: expected files, to be read by each process, got {piped!r}"
        )
    device = resolve_device(device, threads)
    kept = "the last checkpoint is kept, for --resume"
    together = joined(rank.number, rank.of, device, kept) if rank else None
    with together or nullcontext(ALONE) as group:
        for task in tasks:
            if seeds is not None:
                say(f"seed {task.config.training.seed}")
            train_and_show(task, device, max_minutes, group)
            say(f"model: {task.out}")
            say(f"align with: {_next_command(task)}")


def _next_command(task: "Task") -> str:
    """Return how new text is aligned by what was trained."""
    model, text = shlex.quote(str(task.out)), "--src FILE --tgt FILE"
    if task.files.tokenize:
        return f"aligner align {model} {text} --out F.align"
    return f"aligner align {model} {text} > F.align"


@dataclass(frozen=True)
class Given:
    """What the command line says of a training; `changes` are those of the recipe.

    Without a recipe, a training that is resumed keeps its own.
    """

    files: "TrainingFiles | None"
    recipe: "Config | None"
    changes: dict[str, Any]
    resume: bool
    overwrite: bool

    def task(self, out: Path) -> "Task":
        """Return the training that fills a directory.

        Raises:
            ConfigError: the options don't fit one another, or what is there.
            ModelError: there is nothing to resume.
        """
        from aligner.training.start import usual_recipe
        from aligner.training.task import Task

        if self.resume:
            task = Task.resumed(out, self.files, self.recipe, self.changes)
            if task.files.is_gone:
                say("note: text that was piped is expected again, from its beginning")
            return task
        if self.files is None:
            raise ConfigError("--src: expected the training text, got nothing")
        recipe = self.recipe or usual_recipe(self.files)
        return Task.new(
            self.files,
            recipe.with_training(**self.changes),
            out,
            overwrite=self.overwrite,
        )


def _tasks_of_seeds(out: Path, given: Given, seeds: int) -> Iterator["Task"]:
    """Yield the training of each seed; to resume, those begun before, then the others.

    Raises:
        ConfigError: what was begun or finished before is another experiment.
    """
    from aligner.nmt.checkpoint import CONFIG, read_stored_config
    from aligner.nmt.model_meta import META, read_meta
    from aligner.training.start import usual_recipe

    usual = recipe = given.recipe or usual_recipe(given.files)
    earlier = [path.parent for path in out.glob(f"seed-*/{CONFIG}")]
    if given.resume and earlier and given.recipe is None:
        # What is not begun yet is like what is.
        usual = recipe = min(
            map(read_stored_config, earlier), key=lambda one: one.training.seed
        )
    first = given.changes.get("seed", usual.training.seed)
    for seed in range(first, first + seeds):
        place = out / f"seed-{seed}"
        changes = given.changes | {"seed": seed}
        begun = given.resume and (place / META).is_file()
        of_seed = replace(given, changes=changes, resume=begun)
        if not begun:
            of_seed = replace(of_seed, recipe=recipe)
        task = of_seed.task(place)
        if begun and read_meta(place).training:
            say(f"seed {seed}: finished before, in {place}")
        else:
            yield task


def _files(
    src: str,
    tgt: str | None,
    valid_src: str | None,
    valid_tgt: str | None,
    tokenize: tuple[str, str] | None,
    guide: str,
    *others: str | None,
) -> "TrainingFiles":
    from aligner.training.corpus import TrainingFiles

    if valid_tgt is not None and valid_src is None:
        raise ConfigError("--valid-tgt: expected --valid-src beside it, got nothing")
    return TrainingFiles(src, tgt, valid_src, valid_tgt, tokenize, guide, *others)
