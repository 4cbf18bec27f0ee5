"""The training loop."""

import io
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aligner.errors import ModelError, TrainingError
from aligner.nmt.batching import Batches
from aligner.nmt.checkpoint import save_weights
from aligner.nmt.config import TrainingConfig, learning_rate
from aligner.nmt.guide import Guide
from aligner.nmt.loss import validation_loss
from aligner.nmt.meter import Listener, Meter
from aligner.nmt.objective import Objective
from aligner.nmt.training_state import OUT_OF_TIME, STATE, TrainingState
from aligner.nmt.transformer import Transformer
from aligner.text.output import replacing

# What the network itself finds in the training text by now, for the next round, and how
# far both directions agree about it.
Renewal = Callable[[], tuple[Guide, float]]


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
        renewal: Renewal | None = None,
        lines: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> None:
        """Prepare to train a network, on the device that it is on.

        With a guide, one layer's attention is trained towards it. With a renewal too,
        the guide is renewed between rounds of equal length, or when the validation
        loss stops falling before, until the directions agree no better than before.
        `lines` says where in the text, from 0, each training pair comes from.
        """
        self.network = network
        self.objective = Objective(network, config)
        self.train = train
        self.valid = valid
        self.config = config
        self.directory = directory
        self.guide = guide
        self.renewal = renewal
        self.lines = range(len(train.bitext)) if lines is None else lines
        self.recent: list[NDArray[np.int64]] = []  # batches since the loss was checked
        self.device = next(network.parameters()).device
        self.state = TrainingState()
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )

    def run(
        self,
        listen: Listener,
        max_seconds: float = math.inf,
        is_to_stop: Callable[[], bool] = lambda: False,
    ) -> TrainingState:
        """Train until a limit, or until the validation loss stops falling.

        The weights of the best validation are in the model directory then. `listen`
        gets a report every few seconds and one for each validation. `is_to_stop` is
        asked after every update: the training then leaves a checkpoint, unfinished.

        Raises:
            TrainingError: the loss is no number, or the device is out of memory.
        """
        state, config = self.state, self.config
        if state.is_finished():
            return state
        meter = Meter(self, listen, max_seconds)
        self.network.train()
        for batches in self._groups():
            loss, subwords = self._update(batches)
            meter.count(loss, subwords)
            self._look_for_limits(meter)
            if self._round_is_over(meter):
                self._renew(meter)
            validating = state.updates % config.validate_every == 0
            stopping = is_to_stop()
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

    def _groups(self) -> Iterator[list[NDArray[np.int64]]]:
        """Yield the batches of each update, pass after pass, from where we stand."""
        state, accumulate = self.state, self.config.accumulate
        while True:
            batches = self.train.epoch(self.config.seed, state.epoch, state.examples)
            while group := list(itertools.islice(batches, accumulate)):
                state.examples += sum(map(len, group))
                if state.examples == len(self.train):
                    state.epoch, state.examples = state.epoch + 1, 0
                yield group

    def _update(self, group: list[NDArray[np.int64]]) -> tuple[Tensor, int]:
        """Take one optimizer step; return the summed loss and the target subwords."""
        config, state = self.config, self.state
        state.updates += 1
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate(state.updates, config)
        subwords = sum(int(self.train.written(examples).sum()) for examples in group)
        total = torch.zeros((), device=self.device)
        self.recent += group
        for examples in group:
            total += self._learn(examples, subwords)
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, subwords

    def _learn(self, examples: NDArray[np.int64], subwords: int) -> Tensor:
        """Add a batch's gradients; return its summed loss.

        Raises:
            TrainingError: the device has no memory for it.
        """
        try:
            loss, missed = self._losses(examples)
            objective = loss + self.config.guide_weight * missed
            (objective / subwords).backward()  # type: ignore[no-untyped-call]
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"step {self.state.updates}: {self.device} is out of memory: expected "
                f"a lower batch_tokens than {self.config.batch_tokens}; a higher "
                "accumulate makes up for it; the last checkpoint is kept"
            ) from error
        return loss.detach()

    def _losses(self, examples: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the summed translation loss of a batch, and the guided attention's."""
        batch = self.train.load(examples).to(self.device)
        guide = self.guide and self.guide.attention(examples).to(self.device)
        losses: tuple[Tensor, Tensor] = self.objective(batch, guide)
        return losses

    def _look_for_limits(self, meter: Meter) -> None:
        state, config = self.state, self.config
        state.seconds = meter.seconds()
        if state.updates >= config.max_updates:
            state.finished = f"{state.updates} updates"
        elif state.epoch >= config.max_epochs:
            state.finished = f"{state.epoch} passes over the text"
        elif meter.out_of_time():
            state.finished = OUT_OF_TIME

    def _round_is_over(self, meter: Meter) -> bool:
        state = self.state
        return self._has_rounds_left() and (
            meter.share() >= state.round / self.config.rounds
        )

    def _has_rounds_left(self) -> bool:
        more = self.renewal is not None and self.state.round < self.config.rounds
        return more and not self.state.is_finished()

    def _renew(self, meter: Meter) -> None:
        """Begin the next round; or the last, if another guide would not help."""
        assert self.renewal is not None
        state = self.state
        began = time.monotonic()
        self.network.eval()
        guide, agreement = self.renewal()
        self.network.train()
        state.round += 1
        state.bad_validations = 0
        if agreement > state.agreement:
            self.guide, state.guide, state.agreement = guide, state.round, agreement
            guide.save(self._guide_file())
        else:
            state.round = self.config.rounds
        self.save()
        meter.leave_out(time.monotonic() - began)

    def _guide_file(self) -> Path:
        """Return where the present guide lies: each in a file of its own."""
        return self.directory / STATE.parent / f"guide-{self.state.guide}.safetensors"

    def _validate(self, meter: Meter) -> None:
        state = self.state
        loss = validation_loss(
            self.network, self.valid, self.config.precision, self.device
        )
        if loss < state.best_loss:
            state.best_loss, state.best_update = loss, state.updates
            state.bad_validations = 0
            save_weights(self.directory, self.network)
        else:
            state.bad_validations += 1
        meter.report("valid", loss)
        meter.restart()
        if state.bad_validations < self.config.patience:
            return
        if self._has_rounds_left():
            self._renew(meter)
        elif not state.finished:
            state.finished = f"no better for {state.bad_validations} validations"

    def save(self) -> None:
        """Write all that `resume` needs beside the model, whole or not at all."""
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
                    "--overwrite, to train anew"
                )
            state = TrainingState(**content["state"])
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
        self.state = state
        if state.guide > 1 and self.guide is not None:
            self.guide = self.guide.load(self._guide_file(), self.directory)
        torch.set_rng_state(random)
        if self.device.type == "cuda" and "cuda_random" in content:
            torch.cuda.set_rng_state(content["cuda_random"].cpu(), self.device)
