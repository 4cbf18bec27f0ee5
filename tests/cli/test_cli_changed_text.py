"""Text that changes while a training runs, or between two runs."""

import signal
import time
from pathlib import Path

import pytest
from conftest import Run, Trained, outcome, start

from aligner.sample.grammar import sample_corpus

Arguments = list[str | Path]


@pytest.fixture
def training(trained: Trained, tmp_path: Path) -> tuple[Arguments, Path]:
    """Return the arguments of a long training on a text of its own, and that text."""
    recipe, src, tgt = (tmp_path / name for name in ("recipe", "src", "tgt"))
    recipe.write_text(
        trained.recipe.read_text()
        .replace("max_updates = 24", "max_updates = 45")
        .replace("validate_every = 8", "validate_every = 15")
    )
    for path, source in ((src, trained.src), (tgt, trained.tgt)):
        path.write_bytes(source.read_bytes())
    arguments: Arguments = ["train", "--config", recipe, "--src", src, "--tgt", tgt]
    return [*arguments, "--out", tmp_path / "model", "--guide", "none"], src


def test_a_text_that_changes_while_it_is_trained_on_does_not_matter(
    training: tuple[Arguments, Path], run: Run, tmp_path: Path
) -> None:
    """It grows before the first update, is emptied later, and then is gone."""
    arguments, src = training
    content = src.read_bytes()
    changes = iter(
        [
            lambda: src.write_bytes(content + b"\0" * 9000),
            lambda: src.write_bytes(b""),
            src.unlink,
        ]
    )
    process = start(arguments)
    assert process.stderr
    for line in process.stderr:
        if line.startswith((b"model: ", b"valid  step")):
            next(changes, lambda: None)()
    result = outcome(process)
    assert result.code == 0, result.err
    assert not src.exists()
    src.write_bytes(content)
    again = run(*arguments[:-1], "none", "--out", tmp_path / "again")
    assert again.code == 0, again.err
    names = [tmp_path / name / "model.safetensors" for name in ("model", "again")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_a_text_that_has_changed_is_not_resumed(
    training: tuple[Arguments, Path], run: Run, tmp_path: Path
) -> None:
    arguments, src = training
    recipe = Path(arguments[2])
    recipe.write_text(recipe.read_text().replace("= 45", "= 99999"))
    process = start(arguments)
    log = tmp_path / "model" / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert outcome(process).code == 128 + signal.SIGTERM
    model = tmp_path / "model"
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    content = src.read_text().splitlines(keepends=True)
    other = [" ".join(pair.src) + "\n" for pair in sample_corpus(200, seed=9)]
    resume = ("train", "--out", model, "--resume")
    src.write_text("".join(other))
    run(*resume).assert_clean_failure("state.pt: the training text differs")
    src.write_text("".join(content[:-1]))
    run(*resume).assert_clean_failure("199 in", "ends before line 200")
    src.unlink()
    run(*resume).assert_clean_failure("cannot read it: no such file")
    assert {path: path.read_bytes() for path in before} == before
