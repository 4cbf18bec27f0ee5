"""Several processes of torchrun that train one model, or align one text, together.

In training, each learns from its share of every batch; gradients are summed before the
weights change. So a batch, and all that a recipe says of it, is the same for any number
of processes, and a training can go on with another number. What depends on a clock or
on a signal is decided for all at once. The processes must see one file system.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aligner.errors import TrainingError

# While the first process reads text and estimates a prior, the others wait for it.
PATIENCE = timedelta(days=30)
Gathered = TypeVar("Gathered")
_LOST = re.compile("Connection (closed|reset) by peer|Broken pipe|gloo.*[Tt]imed out")


@dataclass(frozen=True)
class Processes:
    """Our number, from 0, among the processes that train together; alone by default."""

    number: int = 0
    of: int = 1

    @property
    def is_first(self) -> bool:
        """Tell whether we are the one that writes files and speaks."""
        return self.number == 0

    def share(self, examples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return our part of a batch, which may be none."""
        return examples[self.number :: self.of]

    def spread(self, objective: nn.Module, *, in_parts: bool = False) -> nn.Module:
        """Return a module whose gradients are the mean over all processes.

        `in_parts`: whether there are batches that not all of its weights learn from.
        """
        if self.of == 1:
            return objective
        return DistributedDataParallel(objective, find_unused_parameters=in_parts)

    def summed(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.of > 1:
            dist.all_reduce(value)
        return value

    def seed(self, seed: int) -> None:
        """Let dropout differ from the other processes'."""
        torch.manual_seed(seed * self.of + self.number)

    def any(self, flag: bool) -> bool:
        """Tell whether the flag is set in any process."""
        return self._agreed(float(flag)) > 0

    def clock(self) -> float:
        """Return the time of the first process, in seconds."""
        return self._agreed(time.monotonic() if self.is_first else 0.0)

    def wait(self) -> None:
        """Wait until all processes have come here."""
        self._agreed(0.0)

    def gathered(self, value: Gathered) -> list[Gathered]:
        """Return what each process has, in their order."""
        if self.of == 1:
            return [value]
        values: list[Gathered] = [value] * self.of
        dist.all_gather_object(values, value)
        return values

    def _agreed(self, value: float) -> float:
        """Return the sum of numbers: on the CPU, so that no GPU is waited for."""
        if self.of == 1:
            return value
        return float(self.summed(torch.tensor(value, dtype=torch.float64)))


ALONE = Processes()


@contextmanager
def joined(
    number: int, of: int, device: str = "cpu", afterwards: str = "nothing is written"
) -> Iterator[Processes]:
    """Join the other processes that torchrun has started.

    Args:
        number: ours, from 0.
        of: how many there are.
        device: where the tensors lie that they exchange.
        afterwards: what becomes of the work when one of them ends.

    Raises:
        TrainingError: one of them ended.
    """
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, rank=number, world_size=of, timeout=PATIENCE)
    try:
        yield Processes(number, of)
    except RuntimeError as error:  # as which gloo reports it
        if not isinstance(error, dist.DistError) and not _LOST.search(str(error)):
            raise
        raise TrainingError(
            "another process of this run ended: expected all of them to go on; "
            f"{afterwards}"
        ) from error
    dist.destroy_process_group()
