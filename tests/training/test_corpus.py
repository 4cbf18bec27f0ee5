"""What is read to train on, against lists of words."""

from pathlib import Path

import numpy as np
import pytest

from aligner.errors import ConfigError, CorpusError
from aligner.nmt.config import Config
from aligner.training.corpus import TrainingFiles, TrainingText, read_text

LINES = [f"w{i % 23} x{i % 7} y" if i % 10 else "" for i in range(300)]


def read(folder: Path, *, drop_duplicates: bool = True) -> TrainingText:
    for side in ("src", "tgt"):
        text = "".join(f"{line} {side if line else ''}\n" for line in LINES)
        (folder / side).write_text(text)
    files = TrainingFiles(str(folder / "src"), str(folder / "tgt"))
    limits = {"drop_duplicates": drop_duplicates}
    return read_text(files, Config.model_validate({"filters": limits}))


@pytest.mark.parametrize("drop_duplicates", [True, False])
def test_validation_pairs_are_held_out_at_random(
    tmp_path: Path, drop_duplicates: bool
) -> None:
    """A twentieth of the pairs that are left; the seed alone decides which."""
    found = read(tmp_path, drop_duplicates=drop_duplicates)
    kept = [
        i
        for i, line in enumerate(LINES)
        if line and not (drop_duplicates and line in LINES[:i])
    ]
    order = np.random.default_rng(1).permutation(len(kept))
    held_out = set(order[: len(kept) // 20].tolist())
    lines = [line for i, line in enumerate(kept) if i not in held_out]
    assert found.lines.tolist() == lines
    assert list(found.train) == [
        ([*LINES[i].split(), "src"], [*LINES[i].split(), "tgt"]) for i in lines
    ]
    assert [src[:-1] for src, _ in found.valid] == [
        LINES[kept[i]].split() for i in sorted(held_out)
    ]
    assert found.total_lines == len(LINES)


def test_validation_text_has_both_sides() -> None:
    with pytest.raises(ConfigError, match="valid_tgt: expected valid_src beside it"):
        TrainingFiles("src", "tgt", valid_tgt="valid")


@pytest.mark.parametrize(("valid", "least"), [(None, 2), ([["c"]], 1)])
def test_text_without_usable_pairs_is_named(
    tmp_path: Path, valid: list[list[str]] | None, least: int
) -> None:
    path = tmp_path / "blank"
    path.write_text("\n\n")
    files = TrainingFiles(str(path), str(path), valid, valid)
    with pytest.raises(CorpusError, match=rf"blank: expected at least {least} usable"):
        read_text(files, Config())


def test_words_are_not_cut_again() -> None:
    files = TrainingFiles([["a"]] * 3, [["b"]] * 3, tokenize=("en", "de"))
    with pytest.raises(ConfigError, match="tokenize: expected text in files"):
        read_text(files, Config())
