import json
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import PROGRAM, SENTENCES, Run, Trained, outcome, start
from small_encoders import save_encoder

from aligner.nmt.config import Config
from aligner.nmt.transformer import Transformer
from aligner.training.corpus import TrainingFiles, read_text
from aligner.training.guide_links import guide_links
from aligner.training.loop import Training
from aligner.training.run import train

# The command line in which one function of the training is replaced.
DYING = """
import os, signal
from aligner.cli import main
from aligner.training import loop as training

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
KILLED_IN_THE_SECOND_SEED = DYING.format(
    patch="""
update = training.Training._update
def dying(self, group):
    if self.config.seed == 5 and self.state.updates == 11:
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
        "prior.safetensors",
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
    estimated = ["prior: learning" in process.err for process in (*killed, result)]
    assert estimated == [True, True, False, False], "once there is a checkpoint"
    same, uninterrupted = (d / "model.safetensors" for d in (out, trained.model))
    assert same.read_bytes() == uninterrupted.read_bytes()
    assert not list(out.rglob("*.part"))


def test_text_that_was_edited_meanwhile_is_told(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    """Though the links that were kept point beyond its words."""
    model = shutil.copytree(trained.model, tmp_path / "model")
    meta = json.loads((model / "meta.json").read_text())
    for side in ("src", "tgt"):
        meta["files"][side] = str(tmp_path / side)
        (tmp_path / side).write_text("".join(f"line {n}\n" for n in range(200)))
    (model / "meta.json").write_text(json.dumps(meta))
    run("train", "--out", model, "--resume").assert_clean_failure("text differs")


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


def test_sigterm_leaves_a_checkpoint_to_go_on_from(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "model", tmp_path / "long.toml"
    long = trained.recipe.read_text().replace("max_updates = 24", "max_updates = 9999")
    recipe.write_text(long.replace("validate_every = 8", "validate_every = 9999"))
    process = start([*trained.training(out), "--config", recipe, "--guide", "none"])
    assert process.stderr
    for line in process.stderr:
        if line.startswith(b"model: "):
            break
    while not (out / "log.jsonl").exists() or not (out / "log.jsonl").read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    result = outcome(process)
    assert result.code == 128 + signal.SIGTERM, result.err
    assert "stopping after a checkpoint" in result.err
    assert result.err.splitlines()[-1] == "aligner: interrupted"
    state = torch.load(out / "training" / "state.pt", weights_only=True)["state"]
    assert state["updates"] > 0
    assert not state["finished"]
    resumed = run("train", "--out", out, "--resume", "--max-minutes", "0.001")
    assert resumed.code == 0, resumed.err
    assert f"resuming at step {state['updates']}" in resumed.err


def test_ctrl_c_while_libraries_load(trained: Trained, tmp_path: Path) -> None:
    # Native code can turn the interrupt into an ImportError, or abort.
    for delay in (0.3, 0.6, 0.9, 1.2):
        process = start(trained.training(tmp_path / "model"))
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        result = outcome(process)
        assert result.code == 130, result.err
        assert result.err.splitlines()[-1] == "aligner: interrupted"
        assert "Traceback" not in result.err


# Too small for the prior; for the weights, which are smaller; for the checkpoint.
@pytest.mark.parametrize(
    ("size", "name", "options"),
    [
        (30, "prior.safetensors", []),
        (53, "model.safetensors", ["--guide", "none"]),
        (90, "state.pt", []),
    ],
)
def test_full_disk(
    trained: Trained, run: Run, tmp_path: Path, size: int, name: str, options: list[str]
) -> None:
    limits = f"RLIMIT_FSIZE, ({size << 10}, {size << 10})"
    program = f"import resource as r; r.setrlimit(r.{limits}); {PROGRAM}"
    result = run(*trained.training(tmp_path / "new"), *options, program=program)
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
    result.assert_clean_failure("a model is there already", "to overwrite it")
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
    # The guided layer is the one to read, whichever has the highest norm.
    alignment = json.loads((out / "meta.json").read_text())["alignment"]
    assert (alignment["layer"], alignment["rows"]) == (1, "full")
    reverse = run("align", out, *trained.text(), "--direction", "reverse")
    reverse.assert_clean_failure("trained forward only")
    forward = run("align", out, *trained.text())
    assert forward.code == 0
    assert len(forward.out.splitlines()) == 12
    into_src = run("translate", out, "--into", "src", stdin=b"a\n")
    into_src.assert_clean_failure("trained forward only")
    other = run("train", "--out", out, "--resume", "--seed", "6")
    other.assert_clean_failure("to resume, expected the same recipe")


def test_several_seeds_are_trained_one_after_the_other(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "seeds"
    command = [*trained.training(out), "--guide", "none", "--seeds", "2", "--seed", "4"]
    first = run(*command, program=KILLED_IN_THE_SECOND_SEED)
    assert first.code == -signal.SIGKILL
    result = run(*command, "--resume")
    assert result.code == 0, result.err
    assert f"seed 4: finished before, in {out / 'seed-4'}" in result.err
    assert sorted(path.name for path in out.iterdir()) == ["seed-4", "seed-5"]
    for seed in (4, 5):
        meta = json.loads((out / f"seed-{seed}" / "meta.json").read_text())
        assert (meta["seed"], meta["training"]["updates"]) == (seed, 24)
    weights = [(out / f"seed-{s}" / "model.safetensors").read_bytes() for s in (4, 5)]
    assert weights[0] != weights[1]
    alone = tmp_path / "alone"
    single = run(*trained.training(alone), "--guide", "none", "--seed", "5")
    assert single.code == 0, single.err
    assert (alone / "model.safetensors").read_bytes() == weights[1]
    run(*command).assert_clean_failure("seed-4: a model is there already")
    guided = [*trained.training(out), "--seeds", "2", "--seed", "4", "--resume"]
    run(*guided).assert_clean_failure("to resume, expected guide as before", "seed-4")
    one = run("align", out, *trained.text())
    one.assert_clean_failure("expected one model, got a directory of 2", "seed-4")
    # What resuming needs may be gone, and nobody says again which seeds they were.
    shutil.rmtree(out / "seed-4" / "training")
    text = ["--src", trained.src, "--tgt", trained.tgt, "--guide", "none"]
    done = run("train", *text, "--out", out, "--resume", "--seeds", "2")
    assert done.code == 0, done.err
    assert done.err.count("finished before, in") == 2
    gone = run("train", "--out", out / "seed-4", "--resume")
    gone.assert_clean_failure("seed-4: no checkpoint to resume from")
    # A model beside them is one.
    shutil.copytree(out / "seed-5", out, dirs_exist_ok=True)
    assert run("align", out, *trained.text()).code == 0


# What guides the training


def test_the_prior_guides_by_default(trained: Trained) -> None:
    assert "prior: " in trained.outcome.err
    meta = json.loads((trained.model / "meta.json").read_text())
    assert meta["files"]["guide"] == "auto"


def test_a_guide_from_a_file_is_used_and_remembered(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "links").write_text("0-0\n" * 200)
    out = tmp_path / "model"
    environment = {"cwd": tmp_path, "program": KILLED_AFTER_A_CHECKPOINT}
    guide = ["--guide", "links"]
    killed = run(*trained.training(out), *guide, **environment)
    assert killed.code == -signal.SIGKILL
    assert "prior: " not in killed.err
    assert not (out / "training" / "links.safetensors").exists()
    resumed = run("train", "--out", out, "--resume")
    assert resumed.code == 0, resumed.err
    assert "prior: " not in resumed.err
    meta = json.loads((out / "meta.json").read_text())
    assert meta["files"]["guide"] == str(tmp_path / "links")


def test_an_encoder_guides_beside_the_prior_and_is_not_needed_after(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    encoder = save_encoder("bert", tmp_path / "encoder")
    out = tmp_path / "model"
    begun = run(
        *trained.training(out), "--encoder", encoder, program=KILLED_AFTER_A_CHECKPOINT
    )
    assert begun.code == -signal.SIGKILL, begun.err
    assert "encoder: layer " in begun.err
    meta = json.loads((out / "meta.json").read_text())
    assert meta["files"]["encoder"] == str(encoder)
    # Neither is it needed to go on, nor to align.
    hidden = encoder.rename(tmp_path / "hidden")
    resumed = run("train", "--out", out, "--resume")
    assert resumed.code == 0, resumed.err
    assert "encoder: " not in resumed.err
    without = run("align", out, *trained.text())
    assert without.code == 0, without.err
    assert len(without.out.splitlines()) == SENTENCES
    # But it may be asked again.
    beside = run("align", out, *trained.text(), "--encoder", hidden, "--scores")
    assert beside.code == 0, beside.err
    alone = run("align", out, *trained.text(), "--scores")
    assert beside.out != alone.out
    idle = run(
        "align", out, *trained.text(), "--encoder", hidden, "--prior-weight", "0"
    )
    idle.assert_clean_failure("--encoder: expected a --prior-weight above 0")
    # A model that was trained without is read by the first pairs of the text.
    other = run("align", trained.model, *trained.text(), "--encoder", hidden)
    assert other.code == 0, other.err
    assert "encoder: layer " in other.err
    assert len(other.out.splitlines()) == SENTENCES


@pytest.mark.parametrize("guide", ["none", "links"])
def test_an_encoder_guides_beside_the_prior_only(
    trained: Trained, run: Run, tmp_path: Path, guide: str
) -> None:
    arguments = [*trained.training(tmp_path / "model"), "--guide", guide]
    result = run(*arguments, "--encoder", "anything")
    result.assert_clean_failure("encoder anything: expected guide auto")


class Started(Exception):
    """Raised in place of the training itself."""


def start_of(
    trained: Trained, guide: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> Training:
    """Return a training by the command's own path, just before its first update."""

    def stop(self: Training, *_: object) -> None:
        raise Started(self)

    monkeypatch.setattr(Training, "run", stop)
    texts = (trained.src, trained.tgt)
    with pytest.raises(Started) as caught:
        train(*texts, out, config=trained.recipe, guide=guide)
    training: Training = caught.value.args[0]
    return training


def test_without_a_guide_all_weights_start_at_random(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguided = start_of(trained, "none", tmp_path / "none", monkeypatch)
    assert unguided.guide is None
    torch.manual_seed(unguided.config.seed)
    vocab_size = unguided.network.embedding.num_embeddings
    fresh = Transformer(unguided.network.config, vocab_size).state_dict()
    found = unguided.network.state_dict()
    assert fresh.keys() == found.keys()
    assert all(torch.equal(fresh[name], found[name]) for name in fresh)
    guided = start_of(trained, "auto", tmp_path / "auto", monkeypatch)
    assert guided.guide is not None
    assert len(guided.guide.links) == len(guided.train.bitext)
    assert not torch.equal(guided.network.embedding.weight, fresh["embedding.weight"])


def test_lines_that_the_filters_drop_are_dropped_from_the_guide(
    tmp_path: Path,
) -> None:
    """Lines 2 (empty), 4 (repeated) and 5 (too long) go; their links do not matter."""
    text = ["a b c", "", "d e f", "a b c", "g " * 40, "h i", "j k", "l m n"]
    links = ["0-2", "9-9", "", "1-1", "0-0", "1-0", "0-1:0.7", "2-2 0-1"]
    for name, lines in (("src", text), ("tgt", text), ("links", links)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    files = TrainingFiles(
        *(str(tmp_path / name) for name in ("src", "tgt")),
        guide=str(tmp_path / "links"),
    )
    config = Config.model_validate({"filters": {"max_words": 20}})
    read = read_text(files, config)
    assert (len(read.train), len(read.valid), read.total_lines) == (4, 1, 8)
    guide, expected, prior = guide_links(files, read, config)
    assert guide is not None
    assert prior is None
    assert expected is None, "of other text, the file says nothing"
    by_text = {line: link.split() for line, link in zip(text[:3], links, strict=False)}
    by_text |= {text[i]: links[i].split() for i in (5, 6, 7)}
    for (src, _), found in zip(read.train, guide, strict=True):
        places = zip(found.src.tolist(), found.tgt.tolist(), strict=True)
        expected = {link.split(":")[0] for link in by_text[" ".join(src)]}
        assert {f"{i}-{j}" for i, j in places} == expected
        assert (found.probability == 1).all()


@pytest.mark.process
def test_light_commands_do_not_load_torch(tmp_path: Path) -> None:
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
        result = outcome(start(arguments, [sys.executable, "-c", program]))
        assert result.code == 0, result.err
        assert result.out.splitlines()[-1] == "False"


def test_the_next_command_works_when_pasted(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    command = [*trained.training(tmp_path / "my model"), "--tokenize", "en", "de"]
    result = run(*command, "--max-minutes", "0.01")
    assert result.code == 0, result.err
    printed = result.err.splitlines()[-1].removeprefix("align with: ")
    assert printed.endswith("--tgt FILE --out F.align")
    program, *arguments = shlex.split(printed)
    assert program == "aligner"
    texts = iter([trained.test_src, trained.test_tgt])
    pasted = [next(texts) if one == "FILE" else one for one in arguments]
    aligned = run(*pasted, cwd=tmp_path)
    assert aligned.code == 0, aligned.err
    for name in ("F.align", "F.align.src", "F.align.tgt"):
        assert len((tmp_path / name).read_text().splitlines()) == 12
    # The model knows how its text was cut, and so does its prior.
    model = tmp_path / "my model"
    for command in (["align", model], ["prior", "--load", model]):
        other = run(*command, *trained.text(), "--tokenize", "en", "fr")
        other.assert_clean_failure("--tokenize en fr: expected en de, as", "has learnt")
        silent = run(*command, *trained.text(), "--format", "jsonl")
        assert silent.code == 0, silent.err
        assert '"src_tokens":[{"start":0,' in silent.out.splitlines()[0]
    plain = trained.outcome.err.splitlines()[-1]
    assert plain == (
        f"align with: aligner align {trained.model} --src FILE --tgt FILE > F.align"
    )


def test_a_guide_without_links_is_warned_of(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    guide = tmp_path / "guide"
    guide.write_text("0-0\n" * 50 + "\n" * 150)
    command = [*trained.training(tmp_path / "model"), "--guide", guide]
    result = run(*command, "--max-minutes", "0.01")
    assert result.code == 0, result.err
    assert f"warning: {guide}: 150 of 200 lines have no links" in result.err
    assert "links" not in trained.outcome.err


def test_text_that_was_piped_is_to_be_piped_again(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    command = ["train", "--config", trained.recipe, "--out", tmp_path / "model"]
    piped = ["--src", "-", "--tgt", trained.tgt]
    text = trained.src.read_bytes()
    result = run(*command, *piped, "--max-minutes", "0.01", stdin=text)
    assert result.code == 0, result.err
    forgotten = run(*command, "--resume")
    forgotten.assert_clean_failure("expected the text again, as it was piped")
    again = run(*command, *piped, "--resume", stdin=text)
    assert again.code == 0, again.err
    assert "note: text that was piped is expected again" in again.err
