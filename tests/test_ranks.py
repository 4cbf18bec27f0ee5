"""Several processes of torchrun: one file, whole or not at all."""

import gzip
import signal
import sys
from pathlib import Path

import pytest
from conftest import Trained, outcome, start

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
# The command line with chunks of few pairs; one rank may die while it aligns.
PROGRAM = """
import os, signal
from aligner.cli import main
from aligner.extraction import aligner
aligner.CHUNK_PAIRS = 3
if os.environ.get("RANK") == {dying!r}:
    def die(self, chunk):
        os.kill(os.getpid(), signal.SIGKILL)
    aligner.Aligner.align_chunk = die
main()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(dying=""))
    return path


def test_together_they_write_what_one_process_writes(
    trained: Trained, tmp_path: Path, program: Path
) -> None:
    command = [program, "align", trained.model, *trained.text(), "--scores"]
    alone = tmp_path / "alone"
    scored = ["--sentence-scores", tmp_path / "alone.scores"]
    one = outcome(start([*command, "--out", alone, *scored], [sys.executable]))
    assert one.code == 0, one.err
    folder = tmp_path / "new"
    outputs = ["--out", folder / "links.gz", "--sentence-scores", folder / "scores"]
    several = outcome(start(["--nproc-per-node", "2", *command, *outputs], TORCHRUN))
    assert several.code == 0, several.err
    assert gzip.decompress((folder / "links.gz").read_bytes()) == alone.read_bytes()
    scores = tmp_path / "alone.scores"
    assert (folder / "scores").read_bytes() == scores.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["links.gz", "scores"]
    for share in (1, 2):
        assert f"aligned 6 of 6 pairs in share {share} of 2" in several.err


@pytest.mark.parametrize("dying", ["0", "1"])
def test_when_one_dies_the_others_end_and_nothing_is_written(
    trained: Trained, tmp_path: Path, dying: str
) -> None:
    program, folder = tmp_path / "program.py", tmp_path / "new"
    program.write_text(PROGRAM.format(dying=dying))
    command = [program, "align", trained.model, *trained.text(), "--out", folder / "x"]
    result = outcome(start(["--nproc-per-node", "2", *command], TORCHRUN))
    assert result.code == 1
    assert "Signal 9" in result.err or str(-signal.SIGKILL) in result.err
    assert not (folder / "x").exists()


def test_they_need_a_file_to_write(trained: Trained, program: Path) -> None:
    command = [program, "align", trained.model, *trained.text()]
    result = outcome(start(["--nproc-per-node", "2", *command], TORCHRUN))
    assert result.code == 1
    assert "aligner: error: under torchrun: expected --out" in result.err
