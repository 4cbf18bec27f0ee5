"""Several processes of torchrun: one file, whole or not at all."""

import gzip
import signal
import sys
from pathlib import Path

import pytest
from conftest import TORCHRUN, TWO, Run, Trained, free_port, of_two, outcome, start

# The command line with chunks of few pairs; one rank may die while it aligns.
PROGRAM = """
import os, signal
from aligner.cli import main
from aligner.extraction import pair_aligner
pair_aligner.CHUNK_PAIRS = 3
if os.environ.get("RANK") == {dying!r}:
    def die(self, chunk):
        os.kill(os.getpid(), signal.SIGKILL)
    pair_aligner.PairAligner.align_chunk = die
main()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(dying=""))
    return path


def test_together_they_write_what_one_process_writes(
    trained: Trained, run: Run, tmp_path: Path, program: Path
) -> None:
    command = [program, "align", trained.model, *trained.text(), "--scores"]
    alone = tmp_path / "alone"
    scored = ["--sentence-scores", tmp_path / "alone.scores"]
    words = [*command[1:], "--out", alone, *scored]
    one = run(*words, program=program.read_text())
    assert one.code == 0, one.err
    folder = tmp_path / "new"
    outputs = ["--out", folder / "links.gz", "--sentence-scores", folder / "scores"]
    several = run(*TWO, *command, *outputs, program=TORCHRUN)
    assert several.code == 0, several.err
    assert gzip.decompress((folder / "links.gz").read_bytes()) == alone.read_bytes()
    scores = tmp_path / "alone.scores"
    assert (folder / "scores").read_bytes() == scores.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["links.gz", "scores"]
    assert several.err.count("aligned 12 of 12 pairs\n") == 1, "the sum, once"


@pytest.mark.parametrize("dying", ["0", "1"])
def test_when_one_dies_the_others_end_and_nothing_is_written(
    trained: Trained, run: Run, tmp_path: Path, dying: str
) -> None:
    program, folder = tmp_path / "program.py", tmp_path / "new"
    program.write_text(PROGRAM.format(dying=dying))
    command = [program, "align", trained.model, *trained.text(), "--out", folder / "x"]
    result = run(*TWO, *command, program=TORCHRUN)
    assert result.code == 1
    assert "Signal 9" in result.err or str(-signal.SIGKILL) in result.err
    assert not (folder / "x").exists()


def test_what_a_killed_run_left_is_not_joined_by_the_next_of_its_number(
    trained: Trained, run: Run, tmp_path: Path, program: Path
) -> None:
    # One process has written its share when the other one is killed.
    dying, port = tmp_path / "dying.py", free_port()
    dying.write_text(PROGRAM.format(dying="0"))
    out = tmp_path / "new" / "links"
    other = ["--src", trained.test_tgt, "--tgt", trained.test_src]
    killed = [
        start(
            [dying, "align", trained.model, *other, "--out", out],
            [sys.executable],
            env=of_two(number, port),
        )
        for number in (0, 1)
    ]
    first = outcome(killed[0])
    killed[1].kill()
    outcome(killed[1])
    assert first.code == -signal.SIGKILL
    assert list(out.parent.glob(".links.*.part")), "it left something"
    # The next: of the same number, the same parent, on the same port, by the same name.
    text = [*trained.text(), "--out", out]
    for ended in [
        start(
            [program, "align", trained.model, *text],
            [sys.executable],
            env=of_two(number, port),
        )
        for number in (0, 1)
    ]:
        ended.wait()
        assert outcome(ended).code == 0
    alone = tmp_path / "alone"
    assert run("align", trained.model, *trained.text(), "--out", alone).code == 0
    assert out.read_bytes() == alone.read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["links"]


def test_they_need_a_file_to_write(trained: Trained, run: Run) -> None:
    command = ["align", trained.model, *trained.text()]
    result = run(*command, env=of_two(1, free_port()))
    result.assert_clean_failure("under torchrun: expected --out")
