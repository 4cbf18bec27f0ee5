import json
import resource
import signal
import time
from pathlib import Path

import pytest
from conftest import Run, Trained, outcome, start

# The command line in which one function of the training is replaced.
DYING = """
import os, signal
from aligner.cli import main
from aligner.nmt import training

{patch}
main()
"""
KILLED_AFTER_A_CHECKPOINT = DYING.format(
    patch="""
update = training.Training._update
def dying(self, group):
    if self.state.updates == 11:  # three after the checkpoint
        os.kill(os.getpid(), signal.SIGKILL)
    return update(self, group)
training.Training._update = dying
"""
)
KILLED_BEFORE_ANY_CHECKPOINT = DYING.format(
    patch="""
def dying(self, group):
    os.kill(os.getpid(), signal.SIGKILL)
training.Training._update = dying
"""
)
KILLED_WHILE_WRITING_A_CHECKPOINT = DYING.format(
    patch="""
replace = os.replace
def dying(src, dst):
    if str(dst).endswith("state.pt") and os.path.exists(dst):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(src, dst)
os.replace = dying
"""
)


def test_a_model_is_one_directory_of_known_files(trained: Trained) -> None:
    assert sorted(p.name for p in trained.model.iterdir()) == [
        "config.toml",
        "log.jsonl",
        "meta.json",
        "model.safetensors",
        "subwords.model",
        "training",
    ]
    meta = json.loads((trained.model / "meta.json").read_text())
    assert meta["training"]["updates"] == 24
    assert meta["seed"] == 1
    assert meta["alignment"]["layer"] in (1, 2)
    assert set(meta["training"]["bleu"]) == {"tgt", "src"}


def test_progress_goes_to_stderr_and_log(trained: Trained) -> None:
    assert trained.outcome.out == ""
    assert "200 pairs kept" in trained.outcome.err
    assert "step     24" in trained.outcome.err
    log = (trained.model / "log.jsonl").read_text().splitlines()
    valid = [r for r in map(json.loads, log) if r["kind"] == "valid"]
    assert [report["updates"] for report in valid] == [8, 16, 24]


def test_killed_at_any_moment_resumed_ends_in_the_same_weights(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    resume = ["train", "--out", out, "--resume"]
    killed = [
        run(*trained.training(out), program=KILLED_BEFORE_ANY_CHECKPOINT),
        run(*resume, program=KILLED_AFTER_A_CHECKPOINT),
        run(*resume, program=KILLED_WHILE_WRITING_A_CHECKPOINT),
    ]
    assert [process.code for process in killed] == [-signal.SIGKILL] * 3, killed
    assert "no checkpoint yet" in killed[1].err
    assert list(out.rglob("*.part"))
    result = run(*resume)
    assert result.code == 0, result.err
    same, uninterrupted = (d / "model.safetensors" for d in (out, trained.model))
    assert same.read_bytes() == uninterrupted.read_bytes()
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize("moment", ["subwords:", "valid  step"])
def test_ctrl_c_ends_with_130(trained: Trained, tmp_path: Path, moment: str) -> None:
    out = tmp_path / "model"
    process = start(trained.training(out))
    assert process.stderr
    for line in process.stderr:
        if line.startswith(moment.encode()):
            break
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # the impatient press twice
    result = outcome(process)
    assert result.code == 130, result.err
    assert result.err.splitlines()[-1] == "aligner: interrupted"
    assert "Traceback" not in result.err
    assert not list(tmp_path.rglob("*.part"))


def test_ctrl_c_while_libraries_load(trained: Trained, tmp_path: Path) -> None:
    # Native code can turn the interrupt into an ImportError.
    for delay in (0.3, 0.6, 0.9):
        process = start(trained.training(tmp_path / "model"))
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        result = outcome(process)
        assert result.code == 130, result.err
        assert result.err.splitlines()[-1] == "aligner: interrupted"
        assert "Traceback" not in result.err


# Too small for the weights; for the checkpoint.
@pytest.mark.parametrize(
    ("size", "name"), [(30, "model.safetensors"), (90, "state.pt")]
)
def test_full_disk(
    trained: Trained, run: Run, tmp_path: Path, size: int, name: str
) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size << 10, size << 10))

    result = run(*trained.training(tmp_path / "new"), preexec_fn=limit_files)
    result.assert_clean_failure(name, "File too large")
    assert not list(tmp_path.rglob("*.part"))


def test_a_model_is_not_overwritten_unasked(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    (out / "training").mkdir(parents=True)
    (out / "training" / "notes").write_text("mine")
    (out / "config.toml").write_text("theirs")
    (out / "subwords.model").write_text("stale")
    result = run(*trained.training(out))
    result.assert_clean_failure("a model is there already", "--overwrite")
    assert (out / "config.toml").read_text() == "theirs"
    separate = tmp_path / "separate.toml"
    recipe = trained.recipe.read_text()
    separate.write_text(recipe.replace("= 200\n", "= 200\njoint = false\n"))
    result = run(*trained.training(out), "--overwrite", "--config", separate)
    assert result.code == 0, result.err
    assert not (out / "subwords.model").exists()
    assert (out / "training" / "notes").read_text() == "mine"


def test_forward_only(trained: Trained, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "model"
    options = ["--direction", "forward", "--seed", "5", "--max-minutes", "1"]
    one_file = tmp_path / "bitext"
    src, tgt = (f.read_text().splitlines() for f in (trained.src, trained.tgt))
    lines = (f"{s} ||| {t}\n" for s, t in zip(src, tgt, strict=True))
    one_file.write_text("".join(lines))
    train = ["train", "--config", trained.recipe, "--src", "-", "--out", out]
    result = run(*train, *options, stdin=one_file.read_bytes())
    assert result.code == 0, result.err
    reverse = run("align", out, *trained.text(), "--direction", "reverse")
    reverse.assert_clean_failure("trained forward only")
    forward = run("align", out, *trained.text())
    assert forward.code == 0
    assert len(forward.out.splitlines()) == 12
    into_src = run("translate", out, "--into", "src", stdin=b"a\n")
    into_src.assert_clean_failure("trained forward only")
    other = run("train", "--out", out, "--resume", "--seed", "6")
    other.assert_clean_failure("--resume: expected the --direction and --seed")


def test_light_commands_do_not_load_torch(run: Run, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.write_text("0-0\n")
    program = """
import atexit, sys
from aligner.cli import main
atexit.register(lambda: print("torch" in sys.modules))
main()
"""
    evaluate = ["evaluate", "--gold", links, "--hyp", links]
    for arguments in (["--help"], ["train", "--help"], evaluate):
        result = run(*arguments, program=program)
        assert result.code == 0, result.err
        assert result.out.splitlines()[-1] == "False"
