"""The training loop."""

import io
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aligner.errors import ModelError, TrainingError
from aligner.files import replacing
from aligner.nmt.batching import Batch, Batches, ahead
from aligner.nmt.checkpoint import save_weights
from aligner.nmt.config import TrainingConfig, learning_rate
from aligner.nmt.transformer import Transformer
from aligner.training.guide import Guide
from aligner.training.meter import Meter
from aligner.training.objective import Objective
from aligner.training.processes import ALONE, Processes
from aligner.training.progress import Listener
from aligner.training.state import OUT_OF_TIME, STATE, TrainingState
from aligner.training.validation import validation_losses


class Prepared(NamedTuple):
    """A batch that is ready to be learnt from.

    Attributes:
        examples: the whole batch.
        batch: the share of it that this process learns from.
        guide: where that is guided to look; None without a guide.
        expected: where it is told to look beforehand; None where it is not.
        weight: 0 where there are fewer examples than processes, and one that is
            another's stands in for none, 1 elsewhere.
    """

    examples: NDArray[np.int64]
    batch: Batch
    guide: Tensor | None
    expected: Tensor | None
    weight: float


class Training:
    """A training run: network, optimizer, data, and how far it has come."""

    def __init__(
        self,
        network: Transformer,
        train: Batches,
        valid: Batches,
        config: TrainingConfig,
        directory: Path,
        guide: Guide | None = None,
        lines: NDArray[np.int64] | None = None,
        processes: Processes = ALONE,
        valid_told: Guide | None = None,
    ) -> None:
        """Prepare to train a network, on the device that it is on.

        With a guide, one layer's attention is trained towards it; `valid_told` says
        where it is told beforehand to look on held-out text, if it is. `lines` says
        where in the text, from 0, each training pair comes from.
        """
        self.network = network
        self.processes = processes
        self.objective = processes.spread(
            Objective(network, config),
            # Of a batch without translation, the decoder's end learns nothing; and a
            # norm that stands between may learn nothing at all.
            in_parts=guide is not None,
        )
        self.train = train
        self.valid = valid
        self.config = config
        self.directory = directory
        self.guide = guide
        self.valid_told = valid_told
        self.lines = np.arange(len(train.bitext)) if lines is None else lines
        self.recent: list[NDArray[np.int64]] = []  # batches since the loss was checked
        self.device = next(network.parameters()).device
        self.state = TrainingState()
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )

    @property
    def predicts(self) -> bool:
        """Whether the guided layer learns to predict what it is fed."""
        return self.guide is not None and self.config.prediction_weight > 0

    def run(
        self,
        listen: Listener,
        max_seconds: float = math.inf,
        is_to_stop: Callable[[], bool] = lambda: False,
    ) -> TrainingState:
        """Train until a limit, or until the validation loss stops falling.

        That loss is translation's, or if the guided layer predicts what it is fed, of
        that. The weights of the best validation are in the model directory then.
        `listen` gets a report every few seconds and one for each validation.
        `is_to_stop` is asked after every update: the training then leaves a checkpoint,
        unfinished.

        Raises:
            TrainingError: the loss is no number, or the device is out of memory.
        """
        state, config = self.state, self.config
        if state.is_finished():
            return state
        meter = Meter(self, listen, max_seconds)
        self.network.train()
        groups = self._groups()
        while True:
            loss, subwords = self._update(next(groups))
            meter.count(loss, subwords, translates=self._translates())
            self._look_for_limits(meter)
            validating = state.updates % config.validate_every == 0
            stopping = self.processes.any(is_to_stop())
            saving = (
                validating or stopping or state.is_finished() or meter.save_is_due()
            )
            if saving:
                meter.check()  # of what is not finite, nothing may be kept
            if validating or state.is_finished():
                self._validate(meter)
            if saving:
                self.save()
            if stopping or state.is_finished():
                break
        return state

    def _groups(self) -> Iterator[list[Prepared]]:
        """Yield the batches of each update, pass after pass, from where we stand."""
        return ahead(self._prepared(self.state.epoch, self.state.examples))

    def _prepared(self, epoch: int, done: int) -> Iterator[list[Prepared]]:
        while True:
            batches = self.train.epoch(self.config.seed, epoch, done)
            while group := list(itertools.islice(batches, self.config.accumulate)):
                yield [self._prepare(examples) for examples in group]
            epoch, done = epoch + 1, 0

    def _prepare(self, examples: NDArray[np.int64]) -> Prepared:
        share = self.processes.share(examples)
        chosen = share if len(share) else examples[:1]
        batch = self.train.load(chosen)
        guide = expected = None
        if self.guide is not None:
            guide, expected = self.guide.attention(chosen), self.guide.told(chosen)
        return Prepared(examples, batch, guide, expected, float(len(share) > 0))

    def _update(self, group: list[Prepared]) -> tuple[Tensor, int]:
        """Take one optimizer step; return the summed loss and the target subwords."""
        config = self.config
        self._count(group)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate(self.state.updates, config)
        subwords = sum(
            int(self.train.written_lengths(one.examples).sum()) for one in group
        )
        total = torch.zeros((), device=self.device)
        for one in group:
            # Of several batches, only with the last one's are gradients summed up.
            with self._gradients_kept_back() if one is not group[-1] else nullcontext():
                total += self._learn(one, subwords)
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return self.processes.summed(total), subwords

    def _count(self, group: list[Prepared]) -> None:
        """Note that an update is taken with a group of batches."""
        state = self.state
        state.updates += 1
        self.recent += [one.examples for one in group]
        state.examples += sum(len(one.examples) for one in group)
        if state.examples == len(self.train):
            state.epoch, state.examples = state.epoch + 1, 0

    def _gradients_kept_back(self) -> AbstractContextManager[None]:
        if isinstance(self.objective, DistributedDataParallel):
            return self.objective.no_sync()
        return nullcontext()

    def _learn(self, prepared: Prepared, subwords: int) -> Tensor:
        """Add a batch's gradients; return its summed loss.

        Raises:
            TrainingError: the device has no memory for it.
        """
        try:
            loss, guided = self._losses(prepared)
            # Over processes, the mean of gradients is taken, not the sum.
            scale = prepared.weight * self.processes.of / subwords
            ((loss + guided) * scale).backward()  # type: ignore[no-untyped-call]
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"step {self.state.updates}: {self.device} is out of memory: expected "
                f"a lower batch_tokens than {self.config.batch_tokens}; a higher "
                "accumulate makes up for it; the last checkpoint is kept"
            ) from error
        # What is not finite shows in either.
        return prepared.weight * (loss + 0 * guided).detach()

    def _losses(self, prepared: Prepared) -> tuple[Tensor, Tensor]:
        """Return the summed translation loss of a batch, and the guided layer's."""
        guide, expected = (
            part if part is None else part.to(self.device)
            for part in (prepared.guide, prepared.expected)
        )
        losses: tuple[Tensor, Tensor] = self.objective(
            prepared.batch.to(self.device), guide, expected, self._translates()
        )
        return losses

    def _translates(self) -> bool:
        """Tell whether translation is learnt in this update: always without a guide."""
        every = 1 if self.guide is None else self.config.translate_every
        return self.state.updates % every == 0

    def _look_for_limits(self, meter: Meter) -> None:
        state, config = self.state, self.config
        state.seconds = meter.seconds()
        if state.updates >= config.max_updates:
            state.finished = f"{state.updates} updates"
        elif state.epoch >= config.max_epochs:
            state.finished = f"{state.epoch} passes over the text"
        elif meter.out_of_time():
            state.finished = OUT_OF_TIME

    def _validate(self, meter: Meter) -> None:
        state, config = self.state, self.config
        losses = validation_losses(
            self.network,
            self.valid,
            config.precision,
            self.device,
            layer=config.guide_layer - 1 if self.predicts else None,
            told=self.valid_told,
            processes=self.processes,
        )
        if losses.deciding < state.best_loss:
            state.best_loss, state.best_update = losses.deciding, state.updates
            state.translation_loss = losses.translation
            state.bad_validations = 0
            if self.processes.is_first:
                save_weights(self.directory, self.network)
        else:
            state.bad_validations += 1
        meter.report("valid", losses.translation, losses.prediction)
        meter.restart()
        if state.bad_validations >= config.patience and not state.finished:
            state.finished = f"no better for {state.bad_validations} validations"

    def save(self) -> None:
        """Write all that `resume` needs beside the model, whole or not at all."""
        if not self.processes.is_first:
            # As one that goes on from here will: only the first one's is kept.
            self.processes.seed(self.config.seed + self.state.updates)
            return
        content = {
            "state": asdict(self.state),
            "digest": self.train.bitext.digest(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            content["cuda_random"] = torch.cuda.get_rng_state(self.device)
        # Through memory: of a full disk, torch itself would raise no OSError.
        data = io.BytesIO()
        torch.save(content, data)
        with replacing(self.directory / STATE) as beside:
            beside.write_bytes(data.getbuffer())

    def resume(self) -> None:
        """Go back to where the last checkpoint was made.

        Raises:
            ModelError: there is none, it is damaged, or the training text differs.
        """
        path = self.directory / STATE
        if not path.is_file():
            raise ModelError(f"{path}: no checkpoint to resume from")
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            if "batch" in content["state"]:
                raise ModelError(
                    f"{path}: from an earlier version, which counted batches: expected "
                    "to overwrite it, to train anew"
                )
            state = TrainingState.stored(content["state"])
            digest, random = content["digest"], content["random"].cpu()
            self.network.load_state_dict(content["network"])
            self.optimizer.load_state_dict(content["optimizer"])
        except ModelError:
            raise
        except Exception as error:  # torch raises whatever unpickling meets
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"{path}: damaged checkpoint: {reason}") from error
        if digest != self.train.bitext.digest():
            raise ModelError(
                f"{path}: the training text differs from the one that it was made with"
            )
        if state.finished == OUT_OF_TIME:
            state.finished = ""
        if "translation_loss" not in content["state"]:
            state.translation_loss = state.best_loss
            if self.predicts and not state.finished:  # another loss decides by now
                state.best_loss, state.bad_validations = math.inf, 0
        self.state = state
        if not self.processes.is_first:
            self.processes.seed(self.config.seed + state.updates)
            return
        torch.set_rng_state(random)
        if self.device.type == "cuda" and "cuda_random" in content:
            torch.cuda.set_rng_state(content["cuda_random"].cpu(), self.device)
