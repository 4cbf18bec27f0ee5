import sys
from pathlib import Path

import pytest
from conftest import Run, outcome, start

# Worked by hand: 3 links of which 2 are sure and 1 is possible only: 1 sure one missed.
# AER = 1 - (2 + 3) / (3 + 3) = 1/6, precision 3/3, recall 2/3.
GOLD = "0-0 1-1 2?1\n2-2\n"
HYP = "0-0 2-1\n2-2\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "gold").write_text(GOLD)
    (tmp_path / "hyp").write_text(HYP)
    (tmp_path / "none").write_text("\n\n")
    (tmp_path / "text").write_text("a b c\na b c\n")
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.split(" ")[0] for cell in line.split("\t")]


def test_scores(run: Run, files: Path) -> None:
    gold, hyp = files / "gold", files / "hyp"
    result = run("evaluate", "--gold", gold, "--hyp", "-", stdin=hyp.read_bytes())
    assert result.code == 0, result.err
    assert result.err == ""
    title, header, row = result.out.splitlines()
    assert title.startswith("# 2 sentence pairs, 3 sure and 4 possible links")
    assert cells(header) == ["system", "AER", "precision", "recall", "F1", "links"]
    assert cells(row) == ["-", "16.7", "100.0", "66.7", "80.0", "3"]


def test_no_links_at_all_give_an_error_rate_of_one(run: Run, files: Path) -> None:
    result = run("evaluate", "--gold", files / "gold", "--hyp", files / "none")
    assert result.code == 0, result.err
    assert cells(result.out.splitlines()[-1])[1:4] == ["100.0", "0.0", "0.0"]


def test_two_systems_are_compared_and_the_worst_sentences_listed(
    run: Run, files: Path
) -> None:
    options = ["--hyp", files / "hyp", "--hyp", files / "none", "--worst", "5"]
    result = run("evaluate", "--gold", files / "gold", *options)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert cells(lines[2])[1] == "16.7"
    assert cells(lines[3])[1] == "100.0"
    assert lines[4].startswith("# AER compared with")
    assert lines[6].split("\t")[:2] == [str(files / "none"), "+83.3"]
    worst = lines.index(f"# worst sentences of {files / 'hyp'}")
    assert lines[worst + 2].split("\t") == ["1", "25.0", "1-1", ""]


def test_a_system_may_be_named_twice(run: Run, files: Path) -> None:
    hyp = ["--hyp", files / "hyp"]
    result = run("evaluate", "--gold", files / "gold", *hyp, *hyp)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[2] == lines[3]
    assert lines[6].split("\t")[1] == "+0.0"


def test_a_gold_file_that_was_cut_off_is_warned_of(run: Run, files: Path) -> None:
    """NAACL files leave out pairs without links, so a short one is well-formed."""
    (files / "cut").write_text("1 1 1 S\n1 2 2 S\n")
    result = run("evaluate", "--gold", files / "cut", "--hyp", files / "hyp")
    assert result.code == 0, result.err
    assert "1 of 2 sentence pairs have no gold links" in result.err


def test_links_outside_their_sentence_are_warned_of(run: Run, files: Path) -> None:
    (files / "short").write_text("a b\na b c\n")
    text = ["--src", files / "short", "--tgt", files / "text"]
    result = run("evaluate", "--gold", files / "gold", "--hyp", files / "hyp", *text)
    assert result.code == 0, result.err
    warnings = result.err.splitlines()
    assert len(warnings) == 2
    assert "the gold has links outside their sentences (1 in all)" in warnings[0]
    assert "2-1 (counted from 0) in pair 1 of 2 source and 3 target" in warnings[1]


def test_exchanged_sides_are_warned_of(run: Run, files: Path) -> None:
    (files / "gold").write_text("0-1 1-2 2-3 3-4 4-0\n" * 10)
    (files / "hyp").write_text("1-0 2-1 3-2 4-3 0-4\n" * 10)
    options = ["--gold", files / "gold", "--hyp", files / "hyp"]
    result = run("evaluate", *options)
    assert "warning:" in result.err
    assert "source and target exchanged" in result.err
    assert run("evaluate", *options, "--hyp-reverse").err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.process
def test_full_disk(files: Path) -> None:
    with open("/dev/full", "wb") as full:
        for arguments in (
            ["--help"],
            ["evaluate", "--gold", files / "gold", "--hyp", files / "hyp"],
        ):
            result = outcome(start(arguments, stdout=full))
            result.assert_clean_failure("No space left on device")


@pytest.mark.process
def test_who_reads_the_output_may_leave(files: Path) -> None:
    hyp = files / "hyp"
    hyp.write_text(HYP)
    options = ["--gold", files / "gold", "--hyp", hyp, "--worst", "5"]
    program = """
import os
from aligner.cli import main
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
main()
"""
    command = [sys.executable, "-c", program]
    assert outcome(start(["evaluate", *options], command)).err == ""
