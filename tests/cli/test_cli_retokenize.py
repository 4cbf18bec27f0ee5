from pathlib import Path

import pytest
from conftest import Run

FILES = {
    "old.src": "the house\nunseen things\na b\n\n",
    "old.tgt": "la maison\nchoses inconnues\nx y\n\n",
    "new.src": "▁the ▁ho use\n▁un seen ▁things\n▁a ▁c\n\n",
    "new.tgt": "la mai@@ son\nchoses in@@ connues\nx y\n\n",
    "links": "0-0 1?1\n0-1:0.5 1-0:0.9\n0-0\n\n",
}


@pytest.fixture
def options(tmp_path: Path) -> list[str | Path]:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    old = ["--src", tmp_path / "old.src", "--tgt", tmp_path / "old.tgt"]
    new = ["--to-src", tmp_path / "new.src", "--to-tgt", tmp_path / "new.tgt"]
    return ["retokenize", *old, *new]


def test_links_and_what_is_said_of_them_go_to_pieces(
    run: Run, options: list[str | Path], tmp_path: Path
) -> None:
    result = run(*options, "--links", tmp_path / "links")
    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        "0-0 1?1 1?2 2?1 2?2",
        "0-1:0.5000 0-2:0.5000 1-1:0.5000 1-2:0.5000 2-0:0.9000",
        "",
        "",
    ]
    assert result.err.splitlines() == [
        "line 3: not carried: the source texts differ: expected 'b', got 'c'",
        "warning: the texts of 1 pairs differ: their lines are empty",
        "carried the links of 3 of 4 pairs",
    ]


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ("0-0\n5-1\n\n\n", "<stdin>, line 2: expected links up to 1-1"),
        ("0-0\n0=1\n\n\n", "<stdin>, line 2: expected `src-tgt`"),
        ("0-0:1\n0-1:0.5 1-1\n\n\n", "<stdin>, line 2: expected a score for every"),
        ("0-0\n", "files of one length: <stdin> ends before line 2"),
        ("\n" * 5, "old.src ends before line 5"),
    ],
)
def test_wrong_lines_are_named_and_nothing_is_written(
    run: Run, options: list[str | Path], tmp_path: Path, links: str, expected: str
) -> None:
    out = tmp_path / "out"
    result = run(*options, "--links", "-", "--out", out, stdin=links.encode())
    result.assert_clean_failure(expected)
    assert not out.exists()


def test_an_input_is_no_output(
    run: Run, options: list[str | Path], tmp_path: Path
) -> None:
    links = tmp_path / "links"
    result = run(*options, "--links", links, "--out", links)
    result.assert_clean_failure("expected another output, got an input file")
