"""The prior alone, from the command line: lines in, lines out, links that are right."""

from pathlib import Path

import pytest
from conftest import Run, outcome, start

from aligner.links.evaluation import score
from aligner.links.formats import parse_pharaoh
from aligner.sample.grammar import sample_corpus


def test_every_line_is_answered_and_links_are_right(run: Run, tmp_path: Path) -> None:
    pairs = sample_corpus(600)
    lines = [f"{' '.join(pair.src)} ||| {' '.join(pair.tgt)}" for pair in pairs]
    lines[5] = " ||| leer"
    lines[7] = " ".join(["long"] * 300) + " ||| lang"
    text = tmp_path / "both"
    text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    out = tmp_path / "prior.align"
    result = outcome(start(["prior", "--src", text, "--out", out, "--scores"]))
    assert result.code == 0, result.err
    assert result.err.splitlines()[:2] == [
        "line 6: not aligned: the source side is empty",
        "line 8: not aligned: the source side has 300 words, more than --max-words 200",
    ]
    assert "warning: 2 pairs could not be aligned" in result.err
    answers = out.read_text(encoding="utf-8").splitlines()
    assert len(answers) == len(lines)
    assert answers[5] == answers[7] == ""
    aligned = [i for i in range(len(pairs)) if i not in (5, 7)]
    links = [parse_pharaoh(answers[i]) for i in aligned]
    assert score([pairs[i].gold for i in aligned], links).aer < 0.15
    # What was chosen is said, and gives the same when it is asked for.
    (said,) = (line for line in result.err.splitlines() if "threshold: " in line)
    threshold = said.removeprefix("threshold: ")
    assert 0 < float(threshold) < 1
    again = run("prior", "--src", text, "--threshold", threshold, "--scores")
    assert again.code == 0, again.err
    assert again.out == out.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_text_without_a_pair_is_an_error(
    run: Run, tmp_path: Path, content: str
) -> None:
    src, tgt = tmp_path / "src", tmp_path / "tgt"
    src.write_text(content, encoding="utf-8")
    tgt.write_text(content, encoding="utf-8")
    out = tmp_path / "out"
    result = run("prior", "--src", src, "--tgt", tgt, "--out", out)
    result.assert_clean_failure("no usable sentence pairs")
    assert not out.exists()
