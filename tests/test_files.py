"""Files appear whole or not at all; what dead runs left is told from what lives."""

import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from conftest import start

from aligner.files import clear_leftovers, replacing, write_whole

WRITING = """
import sys, time
from pathlib import Path
from aligner.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    print("writing", flush=True)
    time.sleep(100)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def writing(tmp_path: Path) -> Iterator["Popen[bytes]"]:
    """Let another process write the file `out` for long."""
    process = start([tmp_path / "out"], [sys.executable, "-c", WRITING])
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.usefixtures("writing")
def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    clear_leftovers(tmp_path)
    assert len(names(tmp_path)) == 1
    write_whole(tmp_path / "out", "whole")
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("again", [True, False])
def test_what_a_killed_process_was_writing_goes(
    tmp_path: Path, writing: "Popen[bytes]", again: bool
) -> None:
    writing.kill()
    writing.wait()
    assert len(names(tmp_path)) == 1
    write_whole(tmp_path / "other", "")
    assert len(names(tmp_path)) == 2, "of another file"
    if again:
        write_whole(tmp_path / "out", "whole")
        assert names(tmp_path) == ["other", "out"]
    else:
        clear_leftovers(tmp_path)
        assert names(tmp_path) == ["other"]


def test_nothing_stays_of_an_interrupt_right_after_the_file_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> bool:
        assert len(names(tmp_path)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr("aligner.files._locked", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "out", "whole")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        ".download.part",  # another program's
        ".notes.tar.part",
        ".x.0123ABCD.part",
        ".x.0123456789abcdef.part",  # of another host
        "x.0123abcd.part",
    ],
)
def test_what_is_not_ours_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("somebody's")
    clear_leftovers(tmp_path)
    write_whole(tmp_path / "x", "")
    assert (tmp_path / name).read_text() == "somebody's"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")

    def fail() -> None:
        with replacing(tmp_path / "out") as beside:
            beside.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_text() == "old"


def test_two_may_write_one_file_at_a_time(tmp_path: Path) -> None:
    with replacing(tmp_path / "out") as one, replacing(tmp_path / "out") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "out").read_text() == "one", "who is done last"
    assert names(tmp_path) == ["out"]
