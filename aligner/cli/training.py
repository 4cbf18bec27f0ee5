"""A training on the screen: its progress shown, and stopped gently by Ctrl-C."""

from typing import TYPE_CHECKING

from aligner.cli.console import stopping_gently
from aligner.cli.progress import TrainingProgress

if TYPE_CHECKING:
    from aligner.nmt.checkpoint import TranslationModel
    from aligner.training.processes import Processes
    from aligner.training.task import Task


def train_and_show(
    task: "Task", device: str, max_minutes: float, processes: "Processes"
) -> "TranslationModel":
    """Train a model, and show how far it is; return it.

    Ctrl-C and SIGTERM end the process: while the network learns, after a checkpoint.
    """
    from aligner.training.run import TrainingRun

    with TrainingProgress() as progress:
        run = TrainingRun(task, device, on_progress=progress, processes=processes)
        with stopping_gently() as is_to_stop:
            run.learn(max_minutes * 60, is_to_stop)
    return run.finish()
