"""What the progress of an alignment says, and when."""

import time

import pytest

from aligner.cli.progress import AlignmentProgress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def run(clock: Clock, seconds: float, share: float, live: bool) -> None:
    """Read 100 pairs, which are `share` of the text, and align 50 so quickly."""
    with AlignmentProgress(lambda: share) as progress:
        progress._live = live
        progress._next = clock.now + (2 if live else 30)
        progress.take(100)
        for _ in range(50):
            clock.now += seconds / 50
            progress.advance()


def test_a_log_is_told_speed_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, 40, share=0.25, live=False)
    (line,) = capsys.readouterr().err.splitlines()
    # 38 pairs in 30.4 seconds; the other 362 of 400 take 290.
    assert line == "38 pairs, 1 pairs/s, 0:30, left 4:50"


def test_of_a_stream_nobody_knows_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, 40, share=0, live=False)
    assert "left" not in capsys.readouterr().err


def test_a_terminal_has_one_line_that_is_overwritten(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, 10, share=1, live=True)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert text.endswith("\033[K\n")
    first, *_ = text.split("\033[K")
    assert first == "\r10 pairs, 5 pairs/s, 0:02, left 0:18"


@pytest.mark.parametrize("live", [True, False])
def test_what_takes_no_time_is_not_talked_about(
    clock: Clock, capsys: pytest.CaptureFixture[str], live: bool
) -> None:
    run(clock, 1.9, share=1, live=live)
    assert capsys.readouterr().err == ""
