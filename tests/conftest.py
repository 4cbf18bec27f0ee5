"""The command line through real processes, and one model that it has trained."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from aligner.sample.grammar import sample_corpus

ROOT = Path(__file__).parent.parent
settings.register_profile("untimed", deadline=None)  # machines may be busy
settings.load_profile("untimed")
# One thread: on shared cores, more would wait for one another.
os.environ["OMP_NUM_THREADS"] = "1"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "aligner"]
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
    return Outcome(
        process.returncode,
        (out or b"").decode("utf-8", "surrogateescape"),
        (err or b"").decode("utf-8", "surrogateescape"),
    )


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `aligner` with arguments, and perhaps bytes for its stdin."""

    def run(
        *arguments: str | Path, stdin: bytes = b"", program: str = "", **options: object
    ) -> Outcome:
        command = [sys.executable, "-c", program] if program else COMMAND
        process = start(arguments, command, stdin=subprocess.PIPE, **options)
        return outcome(process, stdin)

    return run


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
def trained(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Trained:
    """Train one tiny model by the command line, for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    pairs = sample_corpus(200 + SENTENCES, seed=1)
    for name, part in (("train", pairs[:200]), ("test", pairs[200:])):
        for side in ("src", "tgt"):
            lines = (" ".join(getattr(pair, side)) + "\n" for pair in part)
            (folder / f"{name}.{side}").write_text("".join(lines), encoding="utf-8")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    src, tgt, model = folder / "train.src", folder / "train.tgt", folder / "model"
    arguments = ["--config", recipe, "--src", src, "--tgt", tgt, "--out", model]
    result = run("train", *arguments)
    assert result.code == 0, result.err
    return Trained(
        model, recipe, src, tgt, folder / "test.src", folder / "test.tgt", result
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start processes by the fixtures that they ask for."""
    for item in items:
        if {"run", "trained"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.process)


@pytest.fixture(autouse=True)
def float32_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests in this process compute alike on every processor."""
    monkeypatch.setattr("aligner.nmt.precision._has_bfloat16", lambda device: False)
