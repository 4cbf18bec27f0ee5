"""A model directory: what was saved comes back, and nothing else is taken for it."""

import ast
import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import WORDS, random_batch, random_model, random_network

import aligner
from aligner.errors import ConfigError, ModelError
from aligner.nmt.checkpoint import (
    TranslationModel,
    load_model,
    load_weights,
    save_recipe,
    save_weights,
)
from aligner.nmt.config import read_config
from aligner.nmt.model_meta import ModelMeta, TrainedOn, read_meta, save_meta

FILES = ["config.toml", "subwords.model", "model.safetensors", "meta.json"]


def save(directory: Path, model: TranslationModel) -> Path:
    directory.mkdir(exist_ok=True)
    save_recipe(directory, model.config, model.subwords)
    save_weights(directory, model.network)
    save_meta(directory, model.meta)
    return directory


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save(tmp_path / "model", random_model(heads=2, norm="post"))


def refusal(directory: Path) -> str:
    """Return why a directory is no model, checked to be one line."""
    with pytest.raises(ModelError) as caught:
        load_model(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(directory))
    return message


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("direction", ["both", "forward"])
def test_what_is_saved_comes_back(tmp_path: Path, joint: bool, direction: str) -> None:
    model = random_model(direction, joint=joint, norm="post", heads=2)
    loaded = load_model(save(tmp_path, model))
    assert loaded.config == model.config
    assert loaded.meta.alignment == model.meta.alignment
    stored = json.loads((tmp_path / "meta.json").read_text())
    assert stored["aligner"] == aligner.__version__
    assert loaded.subwords.joint == joint
    for side in ("src", "tgt"):
        found = zip(
            loaded.subwords.encode(WORDS, side),
            model.subwords.encode(WORDS, side),
            strict=True,
        )
        assert all(np.array_equal(one, other) for one, other in found)
    assert not loaded.network.training
    src, tgt = random_batch([(5, 4), (2, 6)], model.subwords.vocab_size)
    with torch.no_grad():
        assert torch.equal(loaded.network(src, tgt), model.network(src, tgt))


def test_lower_casing_is_stored_with_the_model(tmp_path: Path) -> None:
    model = random_model()
    config = model.config.model_copy(
        update={
            "subwords": model.config.subwords.model_copy(update={"lowercase": True})
        }
    )
    loaded = load_model(save(tmp_path, dataclasses.replace(model, config=config)))
    assert loaded.subwords.lowercase
    upper, lower = (loaded.subwords.encode([w], "src")[0] for w in ("MILL", "mill"))
    assert np.array_equal(upper, lower)


def test_nothing_else_is_written(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)


def test_no_directory_is_no_model(tmp_path: Path) -> None:
    assert "no such model directory" in refusal(tmp_path / "missing")
    (tmp_path / "file").write_text("text")
    assert "no such model directory" in refusal(tmp_path / "file")
    assert "not a whole model" in refusal(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    assert name in refusal(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_directory_for_a_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    (saved / name).mkdir()
    assert name in refusal(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 0.3, 0.5, 0.9])
def test_a_truncated_file_is_named(saved: Path, name: str, share: float) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * share)])
    assert name in refusal(saved)


def test_a_truncated_configuration_never_goes_unnoticed(saved: Path) -> None:
    """Cut between two lines it is valid TOML still; the defaults must not step in."""
    lines = (saved / "config.toml").read_text().splitlines(keepends=True)
    for count in range(len(lines)):
        (saved / "config.toml").write_text("".join(lines[:count]))
        assert "config.toml" in refusal(saved)
    (saved / "config.toml").write_text("".join(lines))
    load_model(saved)


def test_a_configuration_of_an_earlier_version_is_whole(saved: Path) -> None:
    """It has a key that is gone, and lacks later ones."""
    path, later = saved / "config.toml", ("prediction", "translate_every", "hide")
    config = load_model(saved).config
    lines = path.read_text().splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith(later)]
    path.write_text("".join(lines).replace("[training]", "[training]\nrounds = 2"))
    assert load_model(saved).config == config
    with pytest.raises(ConfigError, match=r"unknown key 'training\.rounds'"):
        read_config(path)


def test_truncated_subwords_never_go_unnoticed(saved: Path) -> None:
    content = (saved / "subwords.model").read_bytes()
    for size in range(0, len(content), 7):
        (saved / "subwords.model").write_bytes(content[:size])
        refusal(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, b"some text\n", b"[1, 2]", b"{}"],
    ids=["binary", "text", "list", "dict"],
)
def test_a_foreign_file_is_named(saved: Path, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    assert name in refusal(saved)


@pytest.mark.parametrize(
    "meta",
    ['{"format": "aligner-model-1"}', '{"format": null}', '"aligner-model-2"', "1"],
)
def test_meta_of_another_program_is_refused(saved: Path, meta: str) -> None:
    (saved / "meta.json").write_text(meta)
    assert 'expected "format": "aligner-model-2"' in refusal(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": 8},
        {"decoder_layers": 2},
        {"encoder_layers": 4},
        {"norm": "pre"},
        {"feed_forward_dim": 25},
    ],
    ids=str,
)
def test_weights_of_another_shape_are_refused(
    saved: Path, changes: dict[str, Any]
) -> None:
    sizes = {"heads": 2, "norm": "post"} | changes
    save_weights(saved, random_model(**sizes).network)
    assert "model.safetensors" in refusal(saved)


def test_weights_of_another_vocabulary_are_refused(saved: Path) -> None:
    config = random_model(heads=2, norm="post").config.transformer
    assert load_model(saved).subwords.vocab_size == 23
    save_weights(saved, random_network(config, vocab_size=99))
    message = refusal(saved)
    assert "embedding.weight should be (23, 16)" in message
    assert "but is (99, 16)" in message


@pytest.mark.parametrize("strange", ["renamed", "missing", "more"])
def test_weights_of_other_names_are_refused(saved: Path, strange: str) -> None:
    weights = load_file(saved / "model.safetensors")
    name = "decoder.0.cross_attention.key.bias"
    if strange != "more":
        bias = weights.pop(name)
    if strange != "missing":
        weights["lm_head.weight"] = bias if strange == "renamed" else torch.ones(2)
    save_file(weights, saved / "model.safetensors")
    assert "do not fit config.toml" in refusal(saved)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("by", ["pickle", "torch"])
def test_loading_runs_no_code(saved: Path, name: str, by: str) -> None:
    trap = Trap(saved / "sprung")
    if by == "torch":
        torch.save(trap, saved / name)
    else:
        (saved / name).write_bytes(pickle.dumps(trap))
    assert name in refusal(saved)
    assert not (saved / "sprung").exists()


def test_only_the_training_state_is_unpickled_and_without_code() -> None:
    """No pickle, shelve or joblib, and `torch.load` with weights_only alone."""
    package = Path(aligner.__file__).parent
    loads = []
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names}
                names.add(getattr(node, "module", None) or "")
                assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                options = {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert options.get("weights_only") == "True", module
                loads.append(module.relative_to(package).as_posix())
    assert loads == ["training/loop.py"]


def test_weights_are_replaced_whole(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (saved / "model.safetensors").read_bytes()

    def disk_full(path: Path, content: bytes) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(saved, random_model(seed=2, heads=2, norm="post").network)
    assert (saved / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)


def test_weights_go_into_a_network_of_the_same_shape(saved: Path) -> None:
    network = random_model(seed=2, heads=2, norm="post").network
    load_weights(saved, network)
    expected = load_file(saved / "model.safetensors")
    assert all(torch.equal(p, expected[name]) for name, p in network.named_parameters())


def test_meta_is_kept_as_it_was(tmp_path: Path) -> None:
    """Also what only another version knows."""
    meta = ModelMeta(
        files=TrainedOn(src="Übung.en", tokenize=("en", "fr")), seed=3, new=[1]
    )
    save_meta(tmp_path, meta)
    again = read_meta(tmp_path)
    assert (again.files, again.seed) == (meta.files, meta.seed)
    assert again.model_extra is not None
    assert again.model_extra["new"] == [1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(saved: Path, value: float) -> None:
    weights = load_file(saved / "model.safetensors")
    weights["encoder.0.feed_forward.0.bias"][3] = value
    save_file(weights, saved / "model.safetensors")
    where = f"{saved / 'model.safetensors'}: encoder.0.feed_forward.0.bias"
    assert refusal(saved).startswith(f"{where}: expected finite numbers")


def test_the_prior_that_guided_a_model_is_missed(saved: Path) -> None:
    save_meta(saved, ModelMeta(files=TrainedOn(guide="none")))
    assert load_model(saved).prior is None
    save_meta(saved, ModelMeta(files=TrainedOn(guide="auto")))
    assert "prior.safetensors" in refusal(saved)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_meta_holds_numbers_only(saved: Path, constant: str) -> None:
    (saved / "meta.json").write_text(f'{{"alignment": {{"layer": {constant}}}}}')
    assert refusal(saved).endswith(f"expected finite numbers, got {constant}")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"files": []}, "files: "),
        ({"files": None}, "files: "),
        ({"data": 1}, "data: "),
        ({"training": "text"}, "training: "),
        ({"files": {"tokenize": ["en"]}}, "files.tokenize"),
        ({"alignment": {"layer": 1}}, "alignment.rows: "),
        ({"alignment": {"layer": 0, "rows": "awi"}}, "alignment.layer: "),
        ({"alignment": {"layer": "one", "rows": "awi"}}, "alignment.layer: "),
        ({"alignment": {"layer": 1, "rows": "avi"}}, "alignment.rows: "),
        ({"alignment": {"layer": 1, "rows": "awi", "thresholds": 1}}, "thresholds: "),
        (
            {"alignment": {"layer": 1, "rows": "awi", "thresholds": {"recall": 1.5}}},
            "alignment.thresholds.recall: ",
        ),
    ],
)
def test_what_meta_says_is_checked(
    saved: Path, meta: dict[str, object], message: str
) -> None:
    content = {"format": "aligner-model-2", **meta}
    (saved / "meta.json").write_text(json.dumps(content))
    assert refusal(saved).startswith(f"{saved / 'meta.json'}: ")
    assert message in refusal(saved)
