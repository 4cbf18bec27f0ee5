"""Going on with more: from an earlier model, and with a dictionary beside the text."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Run, Trained
from safetensors.torch import load_file
from test_cli_train import KILLED_AFTER_A_CHECKPOINT, Started

from aligner.errors import ConfigError
from aligner.nmt.checkpoint import read_stored_config
from aligner.prior.storage import load_prior
from aligner.sample.grammar import sample_corpus
from aligner.training.corpus import TrainingFiles, read_text
from aligner.training.guide_links import guide_links
from aligner.training.loop import Training
from aligner.training.run import train
from aligner.training.start import started

CROSSED = "the xylo sees the quorn .", "der Mabel sieht der Trint ."
ENTRIES = "xylo\tTrint\nquorn\tMabel\n"
MODEL = ("config.toml", "meta.json", "model.safetensors", "prior.safetensors")


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Text in which two words stand once, in another order than their translations."""
    folder = tmp_path_factory.mktemp("more")
    pairs = sample_corpus(150, seed=3)
    paths = [folder / name for name in ("src", "tgt")]
    for path, side, last in zip(paths, ("src", "tgt"), CROSSED, strict=True):
        lines = [" ".join(getattr(pair, side)) for pair in pairs]
        path.write_text("".join(f"{line}\n" for line in [*lines, last]))
    return paths


def text_of(paths: list[Path]) -> list[str | Path]:
    return ["--src", paths[0], "--tgt", paths[1]]


# From an earlier model


def test_a_model_is_begun_from(
    trained: Trained, run: Run, more: list[Path], tmp_path: Path
) -> None:
    """Killed and resumed without the earlier one, it ends in the same weights."""
    earlier = shutil.copytree(trained.model, tmp_path / "earlier")
    begin = ["train", *text_of(more), "--from", earlier, "--out"]
    whole = run(*begin, tmp_path / "whole")
    assert whole.code == 0, whole.err
    assert f"weights: those of {earlier}" in whole.err
    assert "subwords: " not in whole.err
    killed = run(*begin, tmp_path / "model", program=KILLED_AFTER_A_CHECKPOINT)
    assert killed.code == -signal.SIGKILL, killed.err
    other = run("train", *text_of(more), "--resume", "--out", tmp_path / "model")
    other.assert_clean_failure("to resume, expected start_from as before")
    earlier.rename(tmp_path / "gone")
    resumed = run("train", "--out", tmp_path / "model", "--resume")
    assert resumed.code == 0, resumed.err
    models = [tmp_path / name for name in ("whole", "model", "gone")]
    weights = [(model / "model.safetensors").read_bytes() for model in models]
    assert weights[0] == weights[1] != weights[2]
    for name in ("config.toml", "subwords.model"):
        assert (models[0] / name).read_bytes() == (models[2] / name).read_bytes()
    meta = json.loads((models[0] / "meta.json").read_text())
    assert meta["files"]["start_from"] == str(earlier)
    known, new = (load_prior(model).spellings[0].src for model in models[1:])
    assert known.numbers.keys() > new.numbers.keys()
    assert known.counts.sum() > new.counts.sum()
    aligned = run("align", models[0], *trained.text())
    assert aligned.code == 0, aligned.err


@pytest.mark.parametrize("guide", ["auto", "none"])
def test_the_first_weights_are_the_earlier_ones(
    trained: Trained,
    more: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    guide: str,
) -> None:
    def stop(self: Training, *_: object) -> None:
        raise Started(self)

    monkeypatch.setattr(Training, "run", stop)
    with pytest.raises(Started) as caught:
        train(*more, tmp_path / "model", start_from=trained.model, guide=guide)
    network = caught.value.args[0].network
    for name, expected in load_file(trained.model / "model.safetensors").items():
        assert torch.equal(network.get_parameter(name), expected)


def test_what_contradicts_the_model_is_refused(
    trained: Trained, run: Run, more: list[Path], tmp_path: Path
) -> None:
    recipe = trained.recipe.read_text()
    for name, old, new in (
        ("dim", "dim = 16", "dim = 32"),
        ("layers", "encoder_layers = 1", "encoder_layers = 2"),
        ("vocab", "vocab_size = 200", "vocab_size = 300"),
        ("lower", "vocab_size = 200", "vocab_size = 200\nlowercase = true"),
    ):
        (tmp_path / name).write_text(recipe.replace(old, new))
    unguided = shutil.copytree(trained.model, tmp_path / "unguided")
    (unguided / "prior.safetensors").unlink()
    model = trained.model
    before = [(model / name).read_bytes() for name in MODEL]
    begin = ["train", *text_of(more), "--from", model]
    out = tmp_path / "out"
    for options, expected in (
        (["--config", tmp_path / "dim"], "transformer.dim = 16, as it has, got 32"),
        (["--config", tmp_path / "layers"], "encoder_layers = 1, as it has, got 2"),
        (["--config", tmp_path / "vocab"], "vocab_size = 200, as it has, got 300"),
        (["--config", tmp_path / "lower"], "lowercase = False, as it has, got True"),
        (["--direction", "forward"], "direction = 'both', as it has, got 'forward'"),
        (["--tokenize", "en", "de"], "expected words between spaces, as it has"),
        (["--out", model, "--overwrite"], "expected another directory"),
        (["--from", tmp_path / "none"], "none: no such model directory"),
        (["--from", unguided], "expected guide none, or a file, as it has no prior"),
    ):
        run(*begin, "--out", out, *options).assert_clean_failure(expected)
    assert not out.exists()
    assert [(model / name).read_bytes() for name in MODEL] == before


def test_raw_text_is_cut_as_the_model_has_learnt(
    trained: Trained, tmp_path: Path
) -> None:
    model = shutil.copytree(trained.model, tmp_path / "model")
    meta = json.loads((model / "meta.json").read_text())
    meta["files"]["tokenize"] = ["en", "de"]
    (model / "meta.json").write_text(json.dumps(meta))
    files = TrainingFiles("src", "tgt", start_from=str(model))
    config, out = read_stored_config(model), tmp_path / "out"
    assert started(files, config, out).tokenize == ("en", "de")
    same = replace(files, tokenize=("en", "de"))
    assert started(same, config, out) == same
    with pytest.raises(ConfigError, match="--tokenize en fr: expected en de, as"):
        started(replace(files, tokenize=("en", "fr")), config, out)
    with pytest.raises(ConfigError, match="expected files of raw text"):
        started(replace(files, src=[["a"]], tgt=[["b"]]), config, out)


# A dictionary


def test_a_dictionary_guides_words_seen_once(
    trained: Trained, more: list[Path], tmp_path: Path
) -> None:
    """In lower case, where the text is, as well."""
    entries = tmp_path / "pairs.tsv"
    entries.write_text(ENTRIES)
    config = read_stored_config(trained.model)
    lower = config.subwords.model_copy(update={"lowercase": True})
    alone = TrainingFiles(*map(str, more), *map(str, more))
    beside = replace(alone, dictionary=str(entries))
    for files, recipe, expected in (
        (alone, config, {(1, 1), (4, 4)}),
        (beside, config, {(1, 4), (4, 1)}),
        (beside, config.model_copy(update={"subwords": lower}), {(1, 4), (4, 1)}),
    ):
        text = read_text(files, recipe)
        guide = guide_links(files, text, recipe).links
        assert guide is not None
        assert len(guide) == len(text.train)
        last = guide[len(guide) - 1]
        likely = last.probability > 0.5
        places = zip(last.src[likely].tolist(), last.tgt[likely].tolist(), strict=True)
        assert {link for link in places if {*link} <= {1, 4}} == expected


def test_a_dictionary_is_remembered_and_bad_lines_are_named(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    entries, other = tmp_path / "pairs.tsv", tmp_path / "other.tsv"
    entries.write_text(ENTRIES)
    other.write_text("xylo\tTrint\nquorn Mabel\n")
    out = tmp_path / "model"
    command = trained.training(out)
    bad = run(*command, "--dictionary", other)
    bad.assert_clean_failure(
        f"{other}, line 2: expected one tab, between source and target, got 0"
    )
    assert not out.exists()
    begun = run(*command, "--dictionary", entries, program=KILLED_AFTER_A_CHECKPOINT)
    assert begun.code == -signal.SIGKILL, begun.err
    for options in ([], ["--dictionary", other]):
        resumed = run(*command, "--resume", *options)
        resumed.assert_clean_failure("to resume, expected dictionary as before")
    resumed = run(*command, "--resume", "--dictionary", entries)
    assert resumed.code == 0, resumed.err
    meta = json.loads((out / "meta.json").read_text())
    assert meta["files"]["dictionary"] == str(entries)
    assert "Trint" in load_prior(out).spellings[0].tgt.numbers
