"""Recipes: validated, written and read back, found by path and by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aligner.errors import ConfigError
from aligner.nmt.config import Config, TrainingConfig, read_config, recipe_path

RECIPES = sorted((Path(__file__).parent.parent.parent / "models").glob("*.toml"))


def message_for(tmp_path: Path, recipe: str) -> str:
    """Return what reading a recipe complains of, checked to be one line."""
    path = tmp_path / "my.toml"
    path.write_text(recipe, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("recipe", "key", "nearest"),
    [
        ("[training]\nlearning_rat = 1e-3", "training.learning_rat", "learning_rate"),
        ("[training]\nwarmup = 5", "training.warmup", "warmup_updates"),
        ("[transformer]\nhead = 2", "transformer.head", "heads"),
        ("[subwords]\nvocabsize = 100", "subwords.vocabsize", "vocab_size"),
        ("[filters]\nmaxwords = 9", "filters.maxwords", "max_words"),
        ("[trainign]\nseed = 1", "trainign", "training"),
        ("seeds = 1", "seeds", "filters"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(
    tmp_path: Path, recipe: str, key: str, nearest: str
) -> None:
    message = message_for(tmp_path, recipe)
    assert message.startswith(f"unknown key {key!r}; the nearest known one is ")
    if key != "seeds":  # nothing is near, but something is named
        assert message.endswith(repr(nearest))


@pytest.mark.parametrize(
    ("recipe", "key", "got"),
    [
        ('[training]\nseed = "one"', "training.seed", "'one'"),
        ("[training]\nseed = 1.0", "training.seed", "1.0"),
        ("[training]\nseed = true", "training.seed", "True"),
        ("[training]\nlearning_rate = 0", "training.learning_rate", "0"),
        ("[training]\nlearning_rate = nan", "training.learning_rate", "nan"),
        ("[training]\nlearning_rate = inf", "training.learning_rate", "inf"),
        ("[filters]\nmax_ratio = inf", "filters.max_ratio", "inf"),
        ("[filters]\ndrop_duplicates = 1", "filters.drop_duplicates", "1"),
        ('[transformer]\nnorm = "both"', "transformer.norm", "'both'"),
        ("[transformer]\ndropout = 1.0", "transformer.dropout", "1.0"),
        ("training = 3", "training", "3"),
        ('[training]\ndirection = "a\\nb"', "training.direction", "'a\\nb'"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(
    tmp_path: Path, recipe: str, key: str, got: str
) -> None:
    message = message_for(tmp_path, recipe)
    assert message.startswith(f"{key}: ")
    assert message.endswith(f"got {got}")


@pytest.mark.parametrize(("dim", "heads"), [(10, 4), (9, 3)])
def test_dim_must_be_even_and_a_multiple_of_heads(
    tmp_path: Path, dim: int, heads: int
) -> None:
    recipe = f"[transformer]\ndim = {dim}\nheads = {heads}"
    assert f"dim = {dim}, heads = {heads}" in message_for(tmp_path, recipe)


def test_a_whole_number_does_for_a_fraction(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[transformer]\ndropout = 0\n[training]\nclip_norm = 2\n")
    config = read_config(path)
    assert (config.transformer.dropout, config.training.clip_norm) == (0, 2)


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    assert message_for(tmp_path, "[training\n").startswith("not valid TOML: ")
    for name, content in (("binary", b"\xff\xfe\x00"), ("nul", b"a = \x00")):
        path = tmp_path / f"{name}.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=f"{name}.toml: ") as caught:
            read_config(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.toml", "folder.toml"])
def test_what_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read as a recipe"):
        read_config(tmp_path / name)


positive = st.floats(1e-9, 1e9, allow_nan=False, exclude_min=True)
training = st.builds(
    TrainingConfig,
    direction=st.sampled_from(["both", "forward"]),
    seed=st.integers(0, 2**40),
    learning_rate=positive,
    clip_norm=positive,
    label_smoothing=st.floats(0, 0.99),
    precision=st.sampled_from(["auto", "float32", "bfloat16"]),
)


@given(training, st.booleans(), st.floats(1, 1e9))
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    training: TrainingConfig,
    lowercase: bool,
    max_ratio: float,
) -> None:
    values = {
        "training": training.model_dump(),
        "subwords": {"lowercase": lowercase},
        "filters": {"max_ratio": max_ratio},
    }
    config = Config.model_validate(values)
    path = tmp_path_factory.getbasetemp() / "round-trip.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    assert read_config(path) == config


def test_with_training_replaces_and_validates() -> None:
    config = Config().with_training(seed=7)
    assert config.training.seed == 7
    assert config.transformer == Config().transformer
    with pytest.raises(ConfigError, match=r"^training\.seed: "):
        Config().with_training(seed=-1)
    with pytest.raises(ValidationError):
        config.training.seed = 8


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_found_by_name_and_by_path(path: Path) -> None:
    assert recipe_path(path.stem).samefile(path)
    assert read_config(path.stem) == read_config(path) == read_config(str(path))


def test_there_is_a_recipe() -> None:
    assert "small" in [path.stem for path in RECIPES]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"^smal: neither .*\bsmall\b"):
        read_config("smal")


def test_a_file_needs_no_suffix(tmp_path: Path) -> None:
    path = tmp_path / "recipe"
    path.write_text("[training]\nseed = 3\n", encoding="utf-8")
    assert read_config(path).training.seed == 3
