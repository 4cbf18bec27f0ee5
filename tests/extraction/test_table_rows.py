"""The batch function: as many rows as came, with the links of `aligner align`."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SENTENCES, Run, Trained, outcome, start
from small_models import random_model

from aligner.errors import ConfigError, CorpusError, ModelError
from aligner.extraction import table_rows
from aligner.extraction.table_rows import AlignBatch
from aligner.links.formats import parse_pharaoh

# By the command's options and by the function's; as lines are tokenized or not.
VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "--preset recall": {"preset": "recall"},
    "--tokenize en de": {"tokenize": ("en", "de")},
}
# All in one process, as loading the libraries takes most of the time.
COMMANDS = """
import sys
from aligner.cli.app import app
for number, options in enumerate(sys.argv[2:]):
    written = ["--out", str(number), "--sentence-scores", f"{number}.scores"]
    text = ["--src", "src", "--tgt", "tgt", "--threads", "1"]
    command = ["align", sys.argv[1], *text, *written, *options.split()]
    app(command, standalone_mode=False)
"""


@pytest.fixture(scope="module")
def columns(trained: Trained) -> dict[str, list[Any]]:
    """Return the small text as columns, one pair without a target."""
    src, tgt = (
        file.read_text().splitlines() for file in (trained.test_src, trained.test_tgt)
    )
    return {"id": list(range(SENTENCES)), "src": src, "tgt": [*tgt[:-1], None]}


@pytest.fixture(scope="module")
def folder(
    trained: Trained,
    run: Run,
    columns: dict[str, list[Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return where the command has written links and scores, by variant."""
    folder = tmp_path_factory.mktemp("commanded")
    for side in ("src", "tgt"):
        text = "".join(f"{line or ''}\n" for line in columns[side])
        (folder / side).write_text(text)
    result = run(trained.model, *VARIANTS, program=COMMANDS, cwd=folder)
    assert result.code == 0, result.err
    return folder


@pytest.mark.parametrize("kind", [list, np.array])
@pytest.mark.parametrize("options", VARIANTS)
def test_links_and_scores_are_those_of_the_command(
    trained: Trained,
    folder: Path,
    columns: dict[str, list[Any]],
    kind: Any,
    options: str,
) -> None:
    batch = {name: kind(column) for name, column in columns.items()}
    result = AlignBatch(trained.model, **VARIANTS[options])(batch)
    assert list(result) == ["id", "src", "tgt", "links", "score", "problem"]
    assert list(result["id"]) == columns["id"]
    assert list(result["tgt"]) == columns["tgt"]
    number = list(VARIANTS).index(options)
    links = (folder / str(number)).read_text().splitlines()
    scores = (folder / f"{number}.scores").read_text().splitlines()
    assert list(result["links"]) == links
    assert any(links)
    assert [f"{score:.4f}" for score in result["score"]] == scores
    empty = [""] * (SENTENCES - 1)
    assert list(result["problem"]) == [*empty, "the target side is empty"]


def test_columns_may_have_other_names(
    trained: Trained, columns: dict[str, list[Any]]
) -> None:
    plain = AlignBatch(trained.model)(columns)
    other = {"english": columns["src"], "src": [1] * SENTENCES, "de": columns["tgt"]}
    named = AlignBatch(trained.model, src="english", tgt="de")(other)
    assert list(named) == ["english", "src", "de", "links", "score", "problem"]
    assert list(named["links"]) == list(plain["links"])


def test_json_columns_have_scores_and_places(
    trained: Trained, columns: dict[str, list[Any]]
) -> None:
    plain = AlignBatch(trained.model)(columns)
    found = AlignBatch(trained.model, format="jsonl", cover="src")(columns)
    added = ["src_tokens", "tgt_tokens", "links", "score", "problem"]
    assert list(found) == ["id", "src", "tgt", *added]
    assert list(found["score"]) == list(plain["score"])
    for row, line in enumerate(columns["src"]):
        tokens = found["src_tokens"][row]
        assert [line[t["start"] : t["end"]] for t in tokens] == line.split()
        links = {(link["src"], link["tgt"]) for link in found["links"][row]}
        assert links >= parse_pharaoh(plain["links"][row])
        if not found["problem"][row]:
            assert {src for src, _ in links} == set(range(len(tokens)))


def test_no_rows_have_columns_of_the_same_types(
    trained: Trained, columns: dict[str, list[Any]]
) -> None:
    align = AlignBatch(trained.model)
    none, some = align({"src": [], "tgt": []}), align(columns)
    for name in table_rows.ADDED:
        assert len(none[name]) == 0
        assert none[name].dtype == some[name].dtype


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"src": ["a"]}, "expected a column 'tgt', got src"),
        ({"src": ["a"], "tgt": ["b"], "score": [1]}, "expected no column 'score'"),
    ],
)
def test_what_cannot_be_aligned(
    trained: Trained, batch: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        AlignBatch(trained.model)(batch)


@pytest.mark.parametrize(
    ("text", "named"), [(7, "int"), (b"b", "bytes"), (["b"], "list")], ids=repr
)
def test_what_is_no_text_is_of_the_wrong_type(
    trained: Trained, text: object, named: str
) -> None:
    batch = {"src": ["a", None], "tgt": ["b", text]}
    message = f"^column 'tgt', row 1 .* expected text, got {named}$"
    with pytest.raises(TypeError, match=message):
        AlignBatch(trained.model)(batch)


def test_a_preset_needs_both_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model("forward")
    monkeypatch.setattr(table_rows, "load_model", lambda *_: model)
    with pytest.raises(ConfigError, match="preset precise: expected both directions"):
        AlignBatch(tmp_path, preset="precise")


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model directory"):
        AlignBatch(tmp_path / "none")


LIBRARY = """
import os, sys, torch
torch.set_num_threads(3)
before = dict(os.environ), torch.get_num_threads(), torch.get_num_interop_threads()
from aligner.extraction.table_rows import AlignBatch
from aligner.nmt.translation import translate
for precision in ("float32", "bfloat16"):
    align = AlignBatch(sys.argv[1])
    align.aligner.precision = precision
    align({"src": ["the king", ""], "tgt": ["der König", "x"]})
translate(align.aligner.model, [["the", "king"]])
after = dict(os.environ), torch.get_num_threads(), torch.get_num_interop_threads()
assert before == after, (before, after)
"""


def test_its_process_is_left_as_it_was(trained: Trained) -> None:
    result = outcome(start([trained.model], [sys.executable, "-c", LIBRARY]))
    assert result.code == 0, result.err
