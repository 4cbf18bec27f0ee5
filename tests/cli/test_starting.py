"""The command as it is installed, and the processes that stand for it in tests."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, Outcome, Run, Trained, outcome, start
from forking import LOADED

INSTALLED = Path(sys.executable).with_name("aligner")


@pytest.fixture(params=[COMMAND, [str(INSTALLED)]], ids=["module", "script"])
def command(request: pytest.FixtureRequest) -> list[str]:
    """Return each way to start the program."""
    if request.param != COMMAND and not INSTALLED.exists():
        pytest.skip("the package is not installed")
    found: list[str] = request.param
    return found


def test_it_aligns_what_comes_in(
    trained: Trained, run: Run, command: list[str]
) -> None:
    words = ["align", trained.model, "--src", "-", "--tgt", trained.test_tgt]
    text = trained.test_src.read_bytes()
    process = start(words, command, stdin=subprocess.PIPE)
    started = outcome(process, text)
    assert started.code == 0, started.err
    assert started == run(*words, stdin=text), "forked, it does the same"


@pytest.mark.process
def test_a_mistake_ends_it_with_two(tmp_path: Path, command: list[str]) -> None:
    words = ["evaluate", "--gold", tmp_path / "none", "--hyp", "-"]
    outcome(start(words, command)).assert_clean_failure("none", "No such file")


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('why')", 1),
        ("1 / 0", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import sys; sys.stdout.write('a'); sys.stderr.write('b')", 0),
        ("import sys; print(len(sys.stdin.buffer.read()), sys.argv[1:])", 0),
        ("import signal; print(*map(signal.getsignal, (2, 13, 15, 17)))", 0),
    ],
)
def test_a_forked_process_is_like_a_started_one(
    run: Run, program: str, code: int
) -> None:
    process = start(["a", "b"], [sys.executable, "-c", program], stdin=subprocess.PIPE)
    text = b"x" * 100_000
    forked, started = run("a", "b", program=program, stdin=text), outcome(process, text)
    assert (forked.code, forked.out) == (started.code, started.out)
    assert forked.code == code
    assert forked.err.splitlines()[-1:] == started.err.splitlines()[-1:]


def test_forks_find_the_libraries_loaded(run: Run) -> None:
    program = "import sys; print(*sorted(set(sys.argv[1:]) - set(sys.modules)))"
    assert run(*LOADED, program=program) == Outcome(0, "\n", "")


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_forks_are_of_a_single_thread(run: Run) -> None:
    threads = 'import os; print(os.listdir(f"/proc/{os.getppid()}/task"))'
    assert run(program=threads).out.count("'") == 2
