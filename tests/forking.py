"""Command lines in processes that are forked from one that has loaded the libraries.

Loading takes seconds, a fork none: what runs is a process of its own all the same, with
its own streams, signals and exit code. The one has a single thread: else, forks could
hang.
"""

import os
import signal
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

# Not Ray, nor pyarrow: they start threads when they are loaded.
LOADED = [
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "sacrebleu",
    "sacremoses",
    "scipy.stats",
    "sentencepiece",
    "torch._dynamo",  # as the first optimizer does
    "torch.distributed.run",
    "transformers.models.bert.modeling_bert",
    "aligner.analysis.encoder.study",
    "aligner.analysis.nmt.study",
    "aligner.cli.app",
    "aligner.extraction.table_rows",
    "aligner.training.run",
    "aligner.view.page",
    "tests.compiling",
]
SECONDS = 300  # no command takes so long
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(LOADED)


def run(stdin: bytes, *job: object) -> int:
    """Do a job that `execute` takes, with bytes for its stdin; return its exit code."""
    reading, writing = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=execute, args=(reading, *job))
    process.start()
    reading.close()
    try:
        with open(writing.fileno(), "wb", closefd=False) as pipe:
            pipe.write(stdin)
    except BrokenPipeError:
        pass  # it did not read all
    writing.close()
    process.join(SECONDS)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def execute(
    stdin: Connection,
    outputs: list[Path],
    program: str,
    argv: list[str],
    cwd: Path,
    env: dict[str, str],
) -> None:
    """Run a program's text as Python does what follows `-c`, its outputs in files."""
    # As `conftest.start` has it: who is started in the background ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(stdin.fileno(), 0)
    stdin.close()
    for number, path in enumerate(outputs, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    # New ones: the old know of other files whether they can be sought in.
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace")
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = argv
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
