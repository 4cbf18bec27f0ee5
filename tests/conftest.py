"""The command line through real processes, and one model that it has trained."""

import fcntl
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import forking
import pytest
from hypothesis import settings

from aligner.sample.grammar import sample_corpus

ROOT = Path(__file__).parent.parent
settings.register_profile("untimed", deadline=None)  # machines may be busy
settings.load_profile("untimed")
# One thread: on shared cores, more would wait for one another.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTHONPATH"] = str(ROOT)
# Compiled code is kept until its own file changes, though it holds what it has called
# in others: here, until any of them does.
SOURCES = [path.read_bytes() for path in sorted(ROOT.glob("aligner/prior/*.py"))]
COMPILED = f"aligner-compiled-{hashlib.sha256(b''.join(SOURCES)).hexdigest()[:16]}"
os.environ["NUMBA_CACHE_DIR"] = str(Path(gettempdir()) / COMPILED)
ENVIRONMENT = dict(os.environ)
COMMAND = [sys.executable, "-m", "aligner"]
PROGRAM = "from aligner.cli import main; main()"
# What follows these words is run by torchrun, in two processes that fork from none.
TORCHRUN = "from torch.distributed.run import main; main()"
TWO = ["--standalone", "--nproc-per-node", "2"]
TEXT = ("utf-8", "surrogateescape")
SENTENCES = 12  # pairs of the small text that most tests align

RECIPE = """\
[subwords]
vocab_size = 200
[transformer]
dim = 16
heads = 2
encoder_layers = 1
decoder_layers = 2
feed_forward_dim = 32
[training]
batch_tokens = 300
warmup_updates = 10
max_updates = 24
validate_every = 8
valid_pairs = 10
precision = "float32"
"""


@dataclass(frozen=True)
class Outcome:
    """How a process ended, and what it wrote."""

    code: int
    out: str
    err: str

    def assert_clean_failure(self, *expected: str) -> None:
        """Check for exit code 2 and one line that says what is wrong."""
        assert self.code == 2, self.err
        assert "Traceback" not in self.err
        assert self.err.count("aligner: error:") == 1
        message = self.err.splitlines()[-1]
        assert message.startswith("aligner: error: ")
        for part in expected:
            assert part in message


Run = Callable[..., Outcome]


def start(
    arguments: Sequence[str | Path], command: Sequence[str] = COMMAND, **options: object
) -> "subprocess.Popen[bytes]":
    """Start a command with both outputs in pipes; Ctrl-C reaches it in any case."""

    def heed_interrupts() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    defaults = {
        "cwd": ROOT,
        "env": ENVIRONMENT,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "preexec_fn": heed_interrupts,
    }
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [*command, *map(str, arguments)], **{**defaults, **options}
    )


def outcome(process: "subprocess.Popen[bytes]", stdin: bytes | None = None) -> Outcome:
    """Wait for the end of a process."""
    try:
        out, err = process.communicate(stdin, timeout=300)
    finally:
        process.kill()
    return Outcome(process.returncode, *((b or b"").decode(*TEXT) for b in (out, err)))


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `aligner` with arguments, and perhaps bytes for its stdin."""

    def run(
        *arguments: str | Path,
        stdin: bytes = b"",
        program: str = PROGRAM,
        cwd: Path = ROOT,
        env: dict[str, str] = ENVIRONMENT,
    ) -> Outcome:
        argv = ["aligner", *map(str, arguments)]
        with TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("out", "err")]
            code = forking.run(stdin, outputs, program, argv, cwd, env)
            return Outcome(code, *(path.read_bytes().decode(*TEXT) for path in outputs))

    return run


def of_two(number: int, port: int) -> dict[str, str]:
    """Return the environment of the one or other of two processes of torchrun."""
    places = {"RANK": number, "LOCAL_RANK": number, "MASTER_PORT": port}
    of = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    run = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "127.0.0.1"}
    settings = {name: str(value) for name, value in (places | of | run).items()}
    return ENVIRONMENT | settings


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass(frozen=True)
class Trained:
    """A small model with the files that it came from, and a text to align."""

    model: Path
    recipe: Path
    src: Path
    tgt: Path
    test_src: Path
    test_tgt: Path
    outcome: Outcome

    def text(self) -> list[Path | str]:
        """Return the options that name the text to align."""
        return ["--src", self.test_src, "--tgt", self.test_tgt]

    def training(self, out: Path) -> list[Path | str]:
        """Return the arguments that train the same model in another place."""
        text = ["--src", self.src, "--tgt", self.tgt]
        return ["train", "--config", self.recipe, *text, "--out", out]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train one tiny model by the command line, for all tests in all processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "trained"
    with (shared / "trained.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        if not folder.exists():
            train_in(folder)
    names = ("model", "recipe.toml", "train.src", "train.tgt", "test.src", "test.tgt")
    result = Outcome(**json.loads((folder / "outcome.json").read_text()))
    assert result.code == 0, result.err
    return Trained(*(folder / name for name in names), result)


def train_in(folder: Path) -> None:
    """Write a text and train on it; keep what the command has written."""
    folder.mkdir()
    pairs = sample_corpus(200 + SENTENCES, seed=1)
    for name, part in (("train", pairs[:200]), ("test", pairs[200:])):
        for side in ("src", "tgt"):
            lines = (" ".join(getattr(pair, side)) + "\n" for pair in part)
            (folder / f"{name}.{side}").write_text("".join(lines), encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    text = ["--src", folder / "train.src", "--tgt", folder / "train.tgt"]
    options = ["--config", folder / "recipe.toml", "--out", folder / "model"]
    result = outcome(start(["train", *options, *text]))
    (folder / "outcome.json").write_text(json.dumps(asdict(result)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start processes by the fixtures that they ask for.

    Files of slow tests come first: none is left to one process while others idle.
    """
    for item in items:
        if {"run", "trained"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.process)
        if any(map(item.get_closest_marker, ("process", "browser", "ray"))):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def float32_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests in this process compute alike on every processor."""
    monkeypatch.setattr("aligner.nmt.precision._has_bfloat16", lambda device: False)
