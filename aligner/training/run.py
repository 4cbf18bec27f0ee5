"""A whole training: from text to a model directory."""

import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from aligner.errors import ConfigError, TrainingStopped
from aligner.extraction.aligner import Aligner
from aligner.nmt.checkpoint import TranslationModel, load_weights
from aligner.nmt.config import Config, read_config
from aligner.ranges import TIME
from aligner.text.scratch import scratch_disk
from aligner.training.corpus import Text, TrainingFiles
from aligner.training.finish import finish, perplexity
from aligner.training.preparation import existing, prepare
from aligner.training.processes import ALONE, Processes
from aligner.training.progress import (
    Event,
    Listener,
    clock,
    never,
    unheard,
)
from aligner.training.start import usual_recipe
from aligner.training.task import Task

log = logging.getLogger(__name__)


class TrainingRun:
    """A training, from text to a model directory, in three steps.

    run = TrainingRun(task)
    run.learn()
    model = run.finish()
    """

    def __init__(
        self,
        task: Task,
        device: str = "cpu",
        *,
        on_progress: Listener = unheard,
        processes: Processes = ALONE,
    ) -> None:
        """Read the text, learn what comes before the network, and make that.

        Args:
            task: what is to be done.
            device: where the network is trained.
            on_progress: told of passes over the text, and of the training's figures.
            processes: who trains together; the first one writes the model.

        Raises:
            AlignerError: the text or the recipe are not fit for it.
        """
        task.check()
        self.task, self.processes = task, processes
        self.on_progress = on_progress if processes.is_first else unheard
        self._disk = existing(task.out)
        with scratch_disk(self._disk):
            self.model, self.training, self.valid = prepare(
                task, device, processes, self.on_progress
            )
        parameters = sum(p.numel() for p in self.model.network.parameters())
        log.info("model: %.1f million parameters", parameters / 1e6)

    def learn(
        self, max_seconds: float = math.inf, is_to_stop: Callable[[], bool] = never
    ) -> None:
        """Train the network.

        Args:
            max_seconds: when to end.
            is_to_stop: asked after each update; when it says so, a checkpoint is made
                first.

        Raises:
            TrainingError: the loss is not finite.
            TrainingStopped: this process, or another one, was to stop.
        """
        with _logged(self.task.out, self.processes) as write:

            def listen(event: Event) -> None:
                write(event)
                self.on_progress(event)

            with scratch_disk(self._disk):
                state = self.training.run(listen, max_seconds, is_to_stop)
        if not state.is_finished():
            raise TrainingStopped(
                f"stopped at step {state.updates}: a checkpoint is kept in "
                f"{self.task.out}"
            )
        if not math.isfinite(state.best_loss):
            raise ConfigError(
                "the training diverged: no validation gave a finite loss; expected a "
                f"lower learning_rate than {self.task.config.training.learning_rate:g}"
            )
        log.info(
            "training ended after %s: %s; weights of step %d, perplexity %.2f",
            clock(state.seconds),
            state.finished,
            state.best_update,
            perplexity(state),
        )

    def finish(self) -> TranslationModel:
        """Return the model with its best weights and what is chosen for alignment.

        All is noted in the model directory by then. Of several processes, the first one
        does it and returns the model whole.
        """
        if not self.processes.is_first:
            return self.model
        load_weights(self.task.out, self.model.network)
        self.model.network.eval()
        text = self.training.train.bitext
        return finish(self.model, self.valid, self.training.state, self.task, text)


@contextmanager
def _logged(out: Path, processes: Processes) -> Iterator[Listener]:
    """Yield what writes each report to log.jsonl, in one process."""
    if not processes.is_first:
        yield unheard
        return
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:

        def write(event: Event) -> None:
            file.write(json.dumps(asdict(event)) + "\n")
            file.flush()

        yield write


def train(
    src: Text | Path,
    tgt: Text | Path | None = None,
    out: str | Path = "model",
    *,
    config: Config | str | Path | None = None,
    guide: str | Path = "auto",
    encoder: str | Path | None = None,
    dictionary: str | Path | None = None,
    start_from: str | Path | None = None,
    valid_src: Text | Path | None = None,
    valid_tgt: Text | Path | None = None,
    tokenize: tuple[str, str] | None = None,
    max_minutes: float = math.inf,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    on_progress: Listener = unheard,
    is_to_stop: Callable[[], bool] = never,
) -> Aligner:
    """Train a model on parallel text; return it ready to align.

    It does what `aligner train` does, and logs by the logger `aligner`.

    Args:
        src: the source text: a file with a sentence a line, or each sentence's words.
        tgt: the target text, likewise; None where one file holds both sides.
        out: the model directory to write.
        config: the recipe, its file, or the name of one that comes with the package;
            by default `small`, or that of the model begun from or resumed.
        guide: what guides the attention: `auto`, a statistical aligner estimated from
            the text; `none`; or a file of Pharaoh lines for the text.
        encoder: a pretrained encoder of `transformers`, a directory or a hub name,
            that guides beside `auto`; the model aligns without it.
        dictionary: a file of entries, source, a tab, target, a line, that are evidence
            for the statistical aligner beside the text.
        start_from: the directory of an earlier model to go on from with more text: its
            subwords and weights are begun with, and its counts are added to.
        valid_src: validation text; by default a slice is held out.
        valid_tgt: its target side.
        tokenize: the languages of files of raw text, such as `("ja", "en")`; `auto`
            goes by the script alone. By default words stand between spaces.
        max_minutes: when the network's training ends at the latest.
        resume: go on with what is in `out`, with the same text.
        overwrite: replace a model that is there.
        device: where the network is trained: `cpu`, `cuda` or `mps`.
        on_progress: told of passes over the text, and of the training's figures.
        is_to_stop: asked after each update whether to stop, after a checkpoint.

    Raises:
        AlignerError: something that can be put right; its message says what.
        TrainingStopped: it was asked to stop, and can be resumed.
    """
    TIME.check("max_minutes", max_minutes)
    tgt, valid_src, valid_tgt = (
        None if text is None else _named(text) for text in (tgt, valid_src, valid_tgt)
    )
    languages = None if tokenize is None else (tokenize[0], tokenize[1])
    others = (
        None if name is None else str(name)
        for name in (encoder, dictionary, start_from)
    )
    files = TrainingFiles(
        _named(src), tgt, valid_src, valid_tgt, languages, str(guide), *others
    )
    if config is not None and not isinstance(config, Config):
        config = read_config(config)
    if resume:
        task = Task.resumed(Path(out), files, config)
    else:
        recipe = config or usual_recipe(files)
        task = Task.new(files, recipe, Path(out), overwrite=overwrite)
    run = TrainingRun(task, device, on_progress=on_progress)
    run.learn(max_minutes * 60, is_to_stop)
    return Aligner(run.finish())


def _named(text: Text | Path) -> Text:
    return str(text) if isinstance(text, Path) else text
