"""The training loop: limits, schedule, and the same weights however interrupted."""

import dataclasses
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_models import random_bitext, random_guide, sizes
from torch import Tensor

from aligner.errors import ModelError, TrainingError
from aligner.nmt.batching import Batches
from aligner.nmt.checkpoint import WEIGHTS
from aligner.nmt.config import TrainingConfig, learning_rate
from aligner.nmt.transformer import Transformer
from aligner.text.ragged import EncodedBitext
from aligner.training import loop as training_module
from aligner.training import meter as meter_module
from aligner.training.guide import Guide
from aligner.training.loop import Training
from aligner.training.loss import guided_losses, translation_loss
from aligner.training.processes import Processes
from aligner.training.progress import TrainingReport
from aligner.training.state import STATE, TrainingState
from aligner.training.validation import ValidationLosses, validation_losses

TRAIN = random_bitext(40, seed=1)  # about 25 batches of 40 tokens
VALID = random_bitext(8, seed=2)


def config(**changes: Any) -> TrainingConfig:
    small = {
        "batch_tokens": 40,
        "warmup_updates": 4,
        "max_updates": 13,
        "validate_every": 3,
        "patience": 1000,
        "precision": "float32",
    }
    return TrainingConfig.model_validate(small | changes)


def training_in(
    directory: Path,
    settings: TrainingConfig,
    *,
    seed: int = 1,
    dropout: float = 0.3,
    bitext: EncodedBitext = TRAIN,
    guide: Guide | None = None,
    valid_told: Guide | None = None,
) -> Training:
    torch.manual_seed(seed)
    shape = sizes(dropout=dropout, encoder_layers=1, decoder_layers=1)
    network = Transformer(shape, 20)
    budget = settings.batch_tokens
    return Training(
        network,
        Batches(bitext, settings.direction, budget),
        Batches(VALID, settings.direction, budget),
        settings,
        directory,
        guide,
        valid_told=valid_told,
    )


def weights(training: Training) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in training.network.named_parameters()}


def assert_same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def quiet(report: TrainingReport) -> None:
    """Listen to nothing."""


def killer(updates: int) -> Callable[[TrainingReport], None]:
    """Return a listener that ends the process, as it were, at an update."""

    def listen(report: TrainingReport) -> None:
        if report.kind == "train" and report.updates == updates:
            raise KeyboardInterrupt

    return listen


@pytest.fixture
def report_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "REPORT_SECONDS", 0.0)


# Interruption and resumption


@pytest.mark.usefixtures("report_every_update")
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.slow
def test_resuming_ends_in_the_same_weights(tmp_path: Path, accumulate: int) -> None:
    settings = config(accumulate=accumulate)
    whole = training_in(tmp_path / "whole", settings)
    state = whole.run(quiet)
    # The pass over the data is cut in the middle, and one pass ends on the way.
    per_pass = len(list(whole.train.epoch(1, 0)))
    assert per_pass % accumulate or accumulate == 1
    assert per_pass > 3 * accumulate

    for killed_at in (4, 8, 11):
        folder = tmp_path / str(killed_at)
        with pytest.raises(KeyboardInterrupt):
            training_in(folder, settings).run(killer(killed_at))
        resumed = training_in(folder, settings, seed=99)
        resumed.resume()
        assert resumed.state.updates == killed_at // 3 * 3
        assert not resumed.state.is_finished()
        end = resumed.run(quiet)
        assert_same_weights(weights(resumed), weights(whole))
        best = [load_file(f / WEIGHTS) for f in (tmp_path / "whole", folder)]
        assert_same_weights(*best)
        assert dataclasses.replace(end, seconds=state.seconds) == state


@pytest.mark.usefixtures("report_every_update")
@pytest.mark.slow
def test_resuming_after_any_update_of_two_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint after every update; killed at each in turn, till the end."""
    monkeypatch.setattr(meter_module, "SAVE_SECONDS", 0.0)
    settings = config(
        accumulate=3,
        max_epochs=2,
        max_updates=1000,
        batch_tokens=90,
        direction="forward",
    )
    whole = training_in(tmp_path / "whole", settings)
    state = whole.run(quiet)
    assert state.finished == "2 passes over the text"
    batches = len(list(whole.train.epoch(1, 0)))
    assert state.updates == 2 * math.ceil(batches / 3)
    cut = training_in(tmp_path / "cut", settings)
    for update in range(2, state.updates + 1):
        with pytest.raises(KeyboardInterrupt):
            cut.run(killer(update))
        cut = training_in(tmp_path / "cut", settings, seed=update)
        cut.resume()
        assert cut.state.updates == update - 1
    cut.run(quiet)
    assert_same_weights(weights(cut), weights(whole))


def test_out_of_time_then_resumed_goes_on(tmp_path: Path) -> None:
    settings = config()
    whole = training_in(tmp_path / "whole", settings)
    whole.run(quiet)
    cut = training_in(tmp_path / "cut", settings)
    state = cut.run(quiet, max_seconds=1e-9)
    assert (state.updates, state.finished) == (1, "out of time")
    assert (tmp_path / "cut" / WEIGHTS).is_file()
    for update in range(2, 5):
        cut = training_in(tmp_path / "cut", settings, seed=99)
        cut.resume()
        assert not cut.state.is_finished()
        assert cut.run(quiet, max_seconds=1e-9).updates == update
    cut.state.finished = ""
    cut.run(quiet)
    assert cut.state.finished == "13 updates"
    assert_same_weights(weights(cut), weights(whole))


def test_a_finished_training_stays_finished(tmp_path: Path) -> None:
    training_in(tmp_path, config()).run(quiet)
    again = training_in(tmp_path, config(), seed=99)
    again.resume()
    before = weights(again)
    assert again.run(quiet).finished == "13 updates"
    assert_same_weights(before, weights(again))


def test_time_adds_up_over_runs(tmp_path: Path) -> None:
    first = training_in(tmp_path, config()).run(quiet, max_seconds=1e-9).seconds
    resumed = training_in(tmp_path, config())
    resumed.resume()
    assert resumed.run(quiet).seconds > first > 0


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no checkpoint to resume from"):
        training_in(tmp_path, config()).resume()


def test_another_text_is_refused(tmp_path: Path) -> None:
    training_in(tmp_path, config(max_updates=1)).run(quiet)
    other = training_in(tmp_path, config(), bitext=random_bitext(40, seed=3))
    with pytest.raises(ModelError, match=r"state\.pt: the training text differs"):
        other.resume()


def test_a_checkpoint_that_counted_batches_is_refused(tmp_path: Path) -> None:
    training_in(tmp_path, config(max_updates=1)).run(quiet)
    content = torch.load(tmp_path / STATE, weights_only=True)
    content["state"]["batch"] = 1
    torch.save(content, tmp_path / STATE)
    with pytest.raises(ModelError, match="an earlier version, which counted batches"):
        training_in(tmp_path, config()).resume()


def test_a_checkpoint_of_rounds_goes_on(tmp_path: Path) -> None:
    """Earlier versions counted rounds of guidance."""
    training_in(tmp_path, config(max_updates=1)).run(quiet)
    content = torch.load(tmp_path / STATE, weights_only=True)
    content["state"] |= {"round": 2, "guide": 2, "agreement": 0.5}
    torch.save(content, tmp_path / STATE)
    resumed = training_in(tmp_path, config())
    resumed.resume()
    assert resumed.state.updates == 1


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def damaged(content: bytes, how: str) -> bytes:
    return {
        "empty": b"",
        "short": content[:20],
        "half": content[: len(content) // 2],
        "last byte gone": content[:-1],
        "text": b"not a checkpoint\n",
    }[how]


@pytest.mark.parametrize("how", ["empty", "short", "half", "last byte gone", "text"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, how: str) -> None:
    training_in(tmp_path, config(max_updates=1)).run(quiet)
    path = tmp_path / STATE
    path.write_bytes(damaged(path.read_bytes(), how))
    refused(tmp_path)


def refused(directory: Path, **options: Any) -> None:
    with pytest.raises(ModelError) as caught:
        training_in(directory, config(), **options).resume()
    message = str(caught.value)
    assert message.startswith(f"{directory / STATE}: damaged checkpoint: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    "missing", ["state", "digest", "network", "optimizer", "random"]
)
def test_a_checkpoint_that_lacks_something_is_refused(
    tmp_path: Path, missing: str
) -> None:
    training_in(tmp_path, config(max_updates=1)).run(quiet)
    content = torch.load(tmp_path / STATE, weights_only=True)
    del content[missing]
    torch.save(content, tmp_path / STATE)
    refused(tmp_path)


@pytest.mark.parametrize("content", [[1, 2], {"state": {"updates": 1, "new": 2}}, None])
def test_a_foreign_checkpoint_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / STATE).parent.mkdir()
    torch.save(content, tmp_path / STATE)
    refused(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    training_in(tmp_path, config(max_updates=1)).run(quiet)
    content = torch.load(tmp_path / STATE, weights_only=True)
    content["network"]["embedding.weight"] = torch.zeros(21, 16)
    torch.save(content, tmp_path / STATE)
    refused(tmp_path)


@pytest.mark.parametrize(
    "save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))]
)
def test_a_checkpoint_runs_no_code(tmp_path: Path, save: Callable[..., None]) -> None:
    (tmp_path / STATE).parent.mkdir()
    save({"state": Trap(tmp_path / "sprung")}, tmp_path / STATE)
    refused(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_checkpoints_are_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(tmp_path, config(max_updates=1))
    training.run(quiet)
    before = (tmp_path / STATE).read_bytes()

    def disk_full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="No space left"):
        training.save()
    assert (tmp_path / STATE).read_bytes() == before
    assert [path.name for path in (tmp_path / STATE).parent.iterdir()] == ["state.pt"]


# Limits


@pytest.mark.parametrize("updates", [1, 5])
def test_it_ends_after_max_updates(tmp_path: Path, updates: int) -> None:
    state = training_in(tmp_path, config(max_updates=updates)).run(quiet)
    assert (state.updates, state.finished) == (updates, f"{updates} updates")
    assert (tmp_path / WEIGHTS).is_file()


@pytest.mark.parametrize(("epochs", "accumulate"), [(1, 1), (2, 1), (2, 4)])
def test_it_ends_after_max_epochs(tmp_path: Path, epochs: int, accumulate: int) -> None:
    settings = config(max_epochs=epochs, max_updates=1000, accumulate=accumulate)
    training = training_in(tmp_path, settings)
    state = training.run(quiet)
    passes = [len(list(training.train.epoch(1, epoch))) for epoch in range(epochs)]
    # An update never reaches over the end of a pass.
    assert state.updates == sum(math.ceil(n / accumulate) for n in passes)
    assert (state.epoch, state.examples) == (epochs, 0)


def test_every_pass_feeds_every_example_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(tmp_path, config(max_epochs=2, max_updates=1000))
    fed: list[int] = []
    losses = training._losses

    def watched(prepared: Any) -> tuple[Tensor, Tensor]:
        fed.extend(prepared.examples.tolist())
        return losses(prepared)

    monkeypatch.setattr(training, "_losses", watched)
    training.run(quiet)
    assert sorted(fed[:80]) == sorted(fed[80:]) == list(range(80))
    assert fed[:80] != fed[80:]


def scripted(
    losses: list[ValidationLosses] | list[float], patch: pytest.MonkeyPatch
) -> None:
    """Let the validations find these losses, or those of translation."""
    script = (
        loss if isinstance(loss, ValidationLosses) else ValidationLosses(loss)
        for loss in losses
    )
    patch.setattr(training_module, "validation_losses", lambda *_, **__: next(script))


def test_it_ends_when_the_loss_stops_falling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Best at the third validation, then two that are no better; a tie is none."""
    training = training_in(tmp_path, config(patience=2, max_updates=1000))
    scripted([5.0, 6.0, 4.0, 4.0, 4.5], monkeypatch)
    at_validation: list[dict[str, Tensor]] = []
    state = training.run(lambda _: at_validation.append(weights(training)))
    assert state.finished == "no better for 2 validations"
    assert (state.updates, state.best_update, state.best_loss) == (15, 9, 4.0)
    assert_same_weights(load_file(tmp_path / WEIGHTS), at_validation[2])


def test_a_better_loss_renews_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(tmp_path, config(patience=2, max_updates=1000))
    scripted([5.0, 6.0, 4.0, 4.1, 3.9, 5.0, 5.0], monkeypatch)
    assert training.run(quiet).updates == 21


def test_a_loss_that_is_no_number_is_no_improvement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(tmp_path, config(patience=2, max_updates=1000))
    scripted([5.0, math.nan, math.nan], monkeypatch)
    state = training.run(quiet)
    assert (state.best_loss, state.updates) == (5.0, 9)


def test_with_a_guide_what_arrives_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best translation is at the first validation, the best prediction later."""
    training = training_in(tmp_path, config(patience=2, max_updates=1000), guide=GUIDE)
    losses = [(3.0, 5.0), (4.0, 4.0), (6.0, 4.5), (5.0, 4.1)]
    scripted([ValidationLosses(*pair) for pair in losses], monkeypatch)
    reports: list[TrainingReport] = []
    state = training.run(reports.append)
    assert state.finished == "no better for 2 validations"
    assert (state.best_update, state.best_loss, state.translation_loss) == (6, 4, 4)
    shown = [(r.loss, r.guided) for r in reports if r.kind == "valid"]
    assert shown == losses


@pytest.mark.parametrize("prediction_weight", [0.0, 1.0])
@pytest.mark.parametrize("guide", [None, random_guide(TRAIN)])
def test_what_is_measured_is_what_is_learnt(
    tmp_path: Path, guide: Guide | None, prediction_weight: float
) -> None:
    told = random_guide(VALID, seed=2)
    settings = config(max_updates=3, prediction_weight=prediction_weight)
    training = training_in(tmp_path, settings, guide=guide, valid_told=told)
    state = training.run(quiet)
    predicts = guide is not None and prediction_weight > 0
    losses = validation_losses(
        training.network, training.valid, "float32", training.device,
        layer=0 if predicts else None, told=told,
    )  # fmt: skip
    assert (losses.prediction is not None) == predicts
    assert state.best_loss == pytest.approx(losses.deciding)
    assert state.translation_loss == pytest.approx(losses.translation)


@pytest.mark.parametrize("finished", ["", "out of time", "3 updates"])
@pytest.mark.parametrize("prediction_weight", [0.0, 1.0])
@pytest.mark.parametrize("guide", [None, random_guide(TRAIN)])
def test_the_best_loss_of_an_earlier_version_was_translations(
    tmp_path: Path, guide: Guide | None, prediction_weight: float, finished: str
) -> None:
    """Where another loss decides by now, none is the best one yet."""
    settings = config(max_updates=3, prediction_weight=prediction_weight)
    training_in(tmp_path, settings, guide=guide).run(quiet)
    content = torch.load(tmp_path / STATE, weights_only=True)
    content["state"] |= {
        "best_loss": 3.0, "best_update": 2, "bad_validations": 1, "finished": finished
    }  # fmt: skip
    del content["state"]["translation_loss"]
    torch.save(content, tmp_path / STATE)
    resumed = training_in(tmp_path, settings, guide=guide)
    resumed.resume()
    state = resumed.state
    assert (state.best_update, state.translation_loss) == (2, 3.0)
    anew = resumed.predicts and finished != "3 updates"
    expected = (math.inf, 0) if anew else (3.0, 1)
    assert (state.best_loss, state.bad_validations) == expected


# One update


def test_the_learning_rate_by_hand() -> None:
    """Linear to 1e-3 at update 4, then 1e-3 · sqrt(4 / update)."""
    settings = config(learning_rate=1e-3, warmup_updates=4)
    rates = [learning_rate(update, settings) for update in (1, 2, 4, 16, 400)]
    assert rates == pytest.approx([2.5e-4, 5e-4, 1e-3, 5e-4, 1e-4])


def test_the_optimizer_follows_the_schedule(tmp_path: Path) -> None:
    training = training_in(tmp_path, config(max_updates=6))
    rates = []
    training.optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
    )
    training.run(quiet)
    assert rates == [learning_rate(u, training.config) for u in range(1, 7)]


def first_gradients(
    directory: Path, settings: TrainingConfig, guide: Guide | None = None
) -> dict[str, Tensor]:
    """Return the gradients with which the first update steps."""
    training = training_in(directory, settings, dropout=0.0, guide=guide)
    found: dict[str, Tensor] = {}

    def keep(*_: object) -> None:
        for name, parameter in training.network.named_parameters():
            if parameter.grad is not None:
                found.setdefault(name, parameter.grad.clone())

    training.optimizer.register_step_pre_hook(keep)
    training.run(quiet)
    return found


def test_accumulated_batches_equal_one_big_batch(tmp_path: Path) -> None:
    """Batches of unlike size weigh by their subwords: the mean is over subwords."""
    options = {"max_updates": 1, "clip_norm": 0}
    whole = first_gradients(tmp_path / "1", config(batch_tokens=10**6, **options))
    parts = first_gradients(tmp_path / "2", config(accumulate=1000, **options))
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-4, atol=1e-6)

    training = training_in(tmp_path / "3", config(), dropout=0.0)
    everything = training.train.load(np.arange(80))
    loss = translation_loss(
        training.network, everything, training.config.label_smoothing
    )
    (loss / int(everything.predicted.ne(0).sum())).backward()
    for name, parameter in training.network.named_parameters():
        torch.testing.assert_close(whole[name], parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("limit", [0.01, 0.5])
def test_gradients_are_clipped_to_their_norm(tmp_path: Path, limit: float) -> None:
    def total(clip_norm: float) -> float:
        settings = config(max_updates=1, clip_norm=clip_norm)
        gradients = first_gradients(tmp_path, settings)
        return float(torch.stack([g.norm() for g in gradients.values()]).norm())

    assert total(0) > limit
    assert total(limit) == pytest.approx(limit, rel=1e-3)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    settings = config(max_updates=60, validate_every=60, learning_rate=1e-2)
    training = training_in(tmp_path, settings, dropout=0.0)

    def loss() -> float:
        return validation_losses(
            training.network, training.train, "float32", torch.device("cpu")
        ).translation

    before = loss()
    training.run(quiet)
    assert loss() < 0.8 * before


# With a guide

GUIDE = random_guide(TRAIN)
TOLD = random_guide(TRAIN, seed=2)


@pytest.mark.usefixtures("report_every_update")
@pytest.mark.parametrize("killed_at", [4, 8])
@pytest.mark.slow
def test_resuming_with_a_guide_ends_in_the_same_weights(
    tmp_path: Path, killed_at: int
) -> None:
    settings = config(accumulate=2, translate_every=4)
    whole = training_in(tmp_path / "whole", settings, guide=GUIDE)
    whole.run(quiet)
    cut = training_in(tmp_path / "cut", settings, guide=GUIDE)
    with pytest.raises(KeyboardInterrupt):
        cut.run(killer(killed_at))
    resumed = training_in(tmp_path / "cut", settings, seed=99, guide=GUIDE)
    resumed.resume()
    resumed.run(quiet)
    assert_same_weights(weights(resumed), weights(whole))
    unguided = training_in(tmp_path / "unguided", settings)
    unguided.run(quiet)
    name = "decoder.0.cross_attention.query.weight"
    assert not torch.equal(weights(whole)[name], weights(unguided)[name])


@pytest.mark.parametrize("direction", ["both", "forward"])
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("told", [False, True])
def test_a_guided_update_adds_the_losses(
    tmp_path: Path, direction: str, every: int, told: bool
) -> None:
    """The gradient of their weighted sum / subwords, over all batches.

    Of the first update, where translation is learnt in each second one, without it.
    """
    options = {"clip_norm": 0, "guide_weight": 0.5, "prediction_weight": 2.0}
    options |= {"hide_target": 0.0}
    settings = config(
        max_updates=1,
        accumulate=1000,
        direction=direction,
        translate_every=every,
        **options,
    )
    guide = dataclasses.replace(GUIDE, expected=TOLD.links if told else None)
    found = first_gradients(tmp_path, settings, guide)
    training = training_in(tmp_path, settings, dropout=0.0)
    network, examples = training.network, np.arange(len(training.train))
    batch = training.train.load(examples)
    expected = TOLD.attention(examples) if told else None
    rows = GUIDE.attention(examples)
    missed, unsaid = guided_losses(network, batch, rows, 0, expected=expected)
    loss = 0.5 * missed + 2.0 * unsaid
    if every == 1:
        loss += translation_loss(network, batch, settings.label_smoothing, constant=0)
    (loss / int(batch.predicted.ne(0).sum())).backward()
    for name, parameter in network.named_parameters():
        right = parameter.grad
        assert (right is None) == (name not in found), name
        if right is not None:
            torch.testing.assert_close(found[name], right, rtol=1e-3, atol=1e-5)


def test_training_follows_the_guide(tmp_path: Path) -> None:
    settings = config(max_updates=60, validate_every=60, learning_rate=1e-2)
    training = training_in(tmp_path, settings, dropout=0.0, guide=GUIDE)
    examples = np.arange(80)

    @torch.no_grad()
    def missed() -> float:
        batch, rows = training.train.load(examples), GUIDE.attention(examples)
        return float(guided_losses(training.network, batch, rows, 0).missed)

    before = missed()
    training.run(quiet)
    assert missed() < 0.9 * before


# Reports


@pytest.mark.usefixtures("report_every_update")
def test_reports_say_where_it_stands(tmp_path: Path) -> None:
    reports: list[TrainingReport] = []
    training = training_in(tmp_path, config(max_updates=7))
    training.run(reports.append, max_seconds=1000)
    kinds = [(report.kind, report.updates) for report in reports]
    assert [u for kind, u in kinds if kind == "train"] == list(range(1, 8))
    assert [u for kind, u in kinds if kind == "valid"] == [3, 6, 7]
    for report in reports:
        assert report.perplexity == pytest.approx(math.exp(report.loss))
        assert report.learning_rate == learning_rate(report.updates, training.config)
        assert 0 < report.share <= 1
        assert report.tokens_per_second >= 0
        assert math.isfinite(report.seconds_left)
        assert report.seconds_left >= 0
    assert reports[-1].share == 1
    assert reports[-1].seconds_left == 0


def test_the_reported_loss_is_per_subword(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the rate at almost nothing, the mean over a pass is the loss itself."""
    settings = config(
        learning_rate=1e-12, max_epochs=1, max_updates=1000, label_smoothing=0
    )
    training = training_in(tmp_path, settings, dropout=0.0)
    losses, subwords = [], []
    count = meter_module.Meter.count

    def watched(meter: Any, loss: Tensor, number: int, **named: Any) -> None:
        losses.append(float(loss))
        subwords.append(number)
        count(meter, loss, number, **named)

    monkeypatch.setattr(meter_module.Meter, "count", watched)
    training.run(quiet)
    expected = validation_losses(
        training.network, training.train, "float32", torch.device("cpu")
    ).translation
    assert sum(losses) / sum(subwords) == pytest.approx(expected, rel=1e-4)
    assert sum(subwords) == training.train.written_lengths(np.arange(80)).sum()


def test_a_fresh_state_is_unfinished() -> None:
    assert not TrainingState().is_finished()
    assert TrainingState(finished="13 updates").is_finished()


def test_the_other_processes_dropout_goes_on_as_after_a_checkpoint(
    tmp_path: Path,
) -> None:
    """Only the first one's random state is kept: the others begin anew there."""
    training_in(tmp_path, config(max_updates=3)).run(quiet)
    draws = []
    for act in (Training.save, Training.resume):
        training = training_in(tmp_path, config())
        training.processes = Processes(1, 2)
        training.state.updates = 3
        act(training)
        draws.append(torch.rand(3))
    assert torch.equal(*draws)


# A loss that is no number


def change_losses(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[int, Tensor, Any], Tensor]
) -> None:
    """Let `change` make another loss of each, given the update and the examples."""
    losses = training_module.Training._losses

    def changed(self: Training, prepared: Any) -> tuple[Tensor, Tensor]:
        loss, missed = losses(self, prepared)
        return change(self.state.updates, loss, prepared.examples), missed

    monkeypatch.setattr(training_module.Training, "_losses", changed)


def assert_last_checkpoint(directory: Path, update: int) -> None:
    """Check that a training can go on from an update, and that its weights are good."""
    resumed = training_in(directory, config())
    resumed.resume()
    assert resumed.state.updates == update
    assert all(w.isfinite().all() for w in weights(resumed).values())


def test_a_loss_that_is_no_number_ends_it_and_names_step_and_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(tmp_path, config())
    training.lines = [3 * i for i in range(len(TRAIN))]
    spoilt: list[int] = []

    def spoil(update: int, loss: Tensor, examples: Any) -> Tensor:
        if update < 8:
            return loss
        spoilt.extend(int(i) % len(TRAIN) for i in examples)
        return loss * math.nan

    change_losses(monkeypatch, spoil)
    with pytest.raises(TrainingError, match="step 8: expected a finite loss") as found:
        training.run(quiet)
    lines = ", ".join(str(3 * i + 1) for i in sorted(set(spoilt)))
    assert f"got nan at lines {lines} of the training text" in str(found.value)
    assert_last_checkpoint(tmp_path, 6)


def test_where_the_device_is_not_waited_for_nothing_bad_is_kept_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: the loss is looked at for reports, and before anything is saved."""
    training = training_in(tmp_path, config())
    count = meter_module.Meter.count

    def unwatched(meter: Any, loss: Tensor, subwords: int, **named: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(meter_module.Meter, "check", lambda _: None)
            count(meter, loss, subwords, **named)

    change_losses(
        monkeypatch,
        lambda update, loss, _: loss * math.inf if update == 4 else loss,
    )
    monkeypatch.setattr(meter_module.Meter, "count", unwatched)
    with pytest.raises(TrainingError, match="step 6: expected a finite loss"):
        training.run(quiet)
    assert_last_checkpoint(tmp_path, 3)


def test_a_device_without_memory_ends_it_with_the_setting_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(tmp_path, config())

    def fill(update: int, loss: Tensor, examples: Any) -> Tensor:
        if update == 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    change_losses(monkeypatch, fill)
    with pytest.raises(TrainingError, match="a lower batch_tokens than 40"):
        training.run(quiet)
    assert_last_checkpoint(tmp_path, 3)


def test_a_report_right_after_another_has_a_speed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_module, "REPORT_SECONDS", 0.0)  # one at every update
    reports: list[TrainingReport] = []
    training_in(tmp_path, config(max_updates=6)).run(reports.append)
    assert {report.kind for report in reports} == {"train", "valid"}
    assert all(report.tokens_per_second > 0 for report in reports)
