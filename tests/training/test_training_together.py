"""Several processes of torchrun that train one model: as one process would."""

import json
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import (
    TORCHRUN,
    TWO,
    Run,
    Trained,
    free_port,
    of_two,
    outcome,
    start,
)

TOGETHER = [sys.executable, "-m", "torch.distributed.run", *TWO]
# The command line; one process may die at an update.
PROGRAM = """
import os, signal
from aligner.cli import main
from aligner.training import loop as training

update = training.Training._update
def dying(self, group):
    if os.environ["RANK"] == {dying!r} and self.state.updates == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, group)
training.Training._update = dying
main()
"""


@pytest.fixture(scope="module")
def recipe(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the recipe of the small model, but that no dropout is random."""
    text = trained.recipe.read_text().replace("[training]", "dropout = 0.0\n[training]")
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    path.write_text(f"{text}accumulate = 3\n")
    return path


@pytest.fixture(scope="module")
def alone(
    trained: Trained, recipe: Path, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a model that one process has trained."""
    model = tmp_path_factory.mktemp("alone") / "model"
    result = run(*trained.training(model), "--config", recipe)
    assert result.code == 0, result.err
    assert len(validations(model)) == 3
    return model


def validations(model: Path) -> list[float]:
    """Return the loss of each validation of a training."""
    reports = map(json.loads, (model / "log.jsonl").read_text().splitlines())
    return [report["loss"] for report in reports if report["kind"] == "valid"]


def test_they_learn_what_one_process_learns(
    trained: Trained, recipe: Path, alone: Path, run: Run, tmp_path: Path
) -> None:
    together = tmp_path / "together"
    command = ["-m", "aligner", *trained.training(together), "--config", recipe]
    result = run(*TWO, *command, program=TORCHRUN)
    assert result.code == 0, result.err
    assert validations(together) == pytest.approx(validations(alone), rel=1e-3)
    assert sorted(p.name for p in together.rglob("*") if p.is_file()) == sorted(
        p.name for p in alone.rglob("*") if p.is_file()
    )
    assert result.err.count(f"model: {together}") == 1, "the first one speaks for both"


@pytest.mark.slow
def test_they_learn_to_translate_in_every_update(
    trained: Trained, recipe: Path, run: Run, tmp_path: Path
) -> None:
    """All weights learn then, but for what stands behind attention that is constant."""
    often = tmp_path / "often.toml"
    recipe_of_all = recipe.read_text().replace("max_updates = 24", "max_updates = 8")
    often.write_text(f"{recipe_of_all}translate_every = 1\n")
    losses = []
    for name, command in (("alone", []), ("together", [*TWO, "-m", "aligner"])):
        program = {"program": TORCHRUN} if command else {}
        place = tmp_path / name
        arguments = [*trained.training(place), "--config", often]
        result = run(*command, *arguments, **program)
        assert result.code == 0, result.err
        losses.append(validations(place))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("dying", ["0", "1"])
def test_when_one_dies_the_others_end_and_another_number_goes_on(
    trained: Trained, recipe: Path, alone: Path, run: Run, tmp_path: Path, dying: str
) -> None:
    cut, program = tmp_path / "cut", tmp_path / "program.py"
    program.write_text(PROGRAM.format(dying=dying))
    command = [program, *trained.training(cut), "--config", recipe]
    begun: list[float] = []
    if dying == "1":  # what one process has begun
        first = run(*command[1:], "--max-minutes", "0.0001")
        assert first.code == 0, first.err
        begun = validations(cut)
        command = [program, "train", "--out", cut, "--resume"]
    result = run(*TWO, *command, program=TORCHRUN)
    assert result.code == 1
    assert "Signal 9" in result.err, "torchrun says which one died"
    told = result.err.count("another process of this run ended")
    assert told == result.err.count("aligner: error:")
    # The first one speaks, unless torchrun was quicker to end it; without it, another
    # may.
    assert told == 1 or (not told and (dying == "0" or "interrupted" in result.err))
    resumed = run("train", "--out", cut, "--resume")
    assert resumed.code == 0, resumed.err
    assert "resuming at step 8" in resumed.err
    found = validations(cut)[len(begun) :]
    assert found == pytest.approx(validations(alone), rel=1e-3)


def test_sigterm_leaves_a_checkpoint_of_all(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    recipe, out = tmp_path / "long.toml", tmp_path / "model"
    long = trained.recipe.read_text().replace("max_updates = 24", "max_updates = 9999")
    recipe.write_text(f"{long}patience = 9999\n")
    command = ["-m", "aligner", *trained.training(out), "--config", recipe]
    process = start([*command, "--guide", "none"], TOGETHER)
    while not (out / "log.jsonl").exists() or not (out / "log.jsonl").read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    result = outcome(process)
    assert result.code != 0
    assert "stopping after a checkpoint" in result.err, result.err
    assert "aligner: error" not in result.err
    resumed = run("train", "--out", out, "--resume", "--max-minutes", "0.001")
    assert resumed.code == 0, resumed.err
    assert "resuming at step" in resumed.err


def test_they_need_files_to_read(trained: Trained, run: Run, tmp_path: Path) -> None:
    command = ["train", "--src", "-", "--tgt", trained.tgt, "--out", tmp_path / "model"]
    result = run(*command, env=of_two(0, free_port()))
    result.assert_clean_failure("under torchrun: expected files")


def test_a_users_mistake_is_told_once(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    command = ["-m", "aligner", "train", "--src", empty, "--tgt", empty]
    result = run(*TWO, *command, "--out", tmp_path / "model", program=TORCHRUN)
    assert result.code == 1
    assert result.err.count("aligner: error:") == 1, result.err
    assert not (tmp_path / "model").exists()
