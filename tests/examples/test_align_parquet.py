"""The example for Ray Data: every row once, even if workers die."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ENVIRONMENT, ROOT, Outcome, Run, Trained, outcome, start

if find_spec("ray") is None or find_spec("pyarrow") is None:
    pytest.skip("Ray is not installed: pip install '.[ray]'", allow_module_level=True)

import pyarrow as pa
import pyarrow.parquet as pq

pytestmark = pytest.mark.ray

EXAMPLE = ROOT / "examples" / "align_parquet.py"
FILES, ROWS = 4, 5
# Lines that Ray's own processes may write at any time, even after our last one.
RAYS_OWN = re.compile(r"^(\x1b\[\d+m)?\((raylet|pid=gcs_server)\).*\n?", re.MULTILINE)
LOADED = """
import json, os, signal, sys, types
from pathlib import Path
example = types.ModuleType("example")
exec(Path({example!r}).read_text(), example.__dict__)
"""
# The example, killed when two of four shares are done, and a third one is written.
KILLED = (
    LOADED
    + """
def killed(**_):
    part = Path(sys.argv[3] + ".part")
    settings, _, shares = json.loads((part / "_run.json").read_text())
    worker = example.AlignShare(part, settings)
    for share in shares[::2]:
        worker(share)
    example.pq.write_table = lambda table, path: os.kill(os.getpid(), signal.SIGKILL)
    worker(shares[3])

example.ray.init = killed
example.main()
"""
)
# The example, one of whose workers is killed when it has written a share but not yet
# renamed it; then, in the same cluster, Ray calls the batch function itself.
PROGRAM = (
    LOADED
    + """
from contextlib import contextmanager
import ray.data
from aligner.extraction.table_rows import AlignBatch
from aligner.files import replacing

marker = {marker!r}

@contextmanager
def dying_once(path):
    with replacing(path) as beside:
        yield beside
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

example.replacing = dying_once
example.main()

model, text = sys.argv[1:3]
rows = ray.data.read_parquet(text).map_batches(
    AlignBatch,
    fn_constructor_kwargs={{"model": model}},
    compute=ray.data.ActorPoolStrategy(size=1),
    num_cpus=1,
    batch_size=5,
).take_all()
Path({rows!r}).write_text(json.dumps(rows))
"""
)


@dataclass(frozen=True)
class Ray:
    """Where Ray's processes may write, and the text that they align."""

    folder: Path
    text: Path
    scratch: str

    def run(self, *arguments: str | Path, program: Path = EXAMPLE) -> Outcome:
        """Run a program with Ray's files in a place of its own."""
        # A home of its own too: Ray keeps a token there.
        places = {"HOME": self.scratch, "RAY_TMPDIR": self.scratch}
        environment = ENVIRONMENT | places | {"RAY_USAGE_STATS_ENABLED": "0"}
        environment.pop("RAY_ADDRESS", None)
        found = outcome(start(arguments, [sys.executable, program], env=environment))
        return replace(found, err=RAYS_OWN.sub("", found.err))


def refusal(run: Run, *arguments: str | Path) -> Outcome:
    """Run the example, which is to fail before it starts Ray."""
    return run(*arguments, program=EXAMPLE.read_text())


def processes_with(scratch: str) -> list[str]:
    """Return the processes whose environment names a directory; none without /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if scratch.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # it has ended, or is not ours
    return found


@pytest.fixture(scope="module")
def ray(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    """Write the text as Parquet files; see that Ray leaves no process behind."""
    folder = tmp_path_factory.mktemp("parquet")
    text = folder / "text"
    text.mkdir()
    src, tgt = (
        file.read_text().splitlines()[: FILES * ROWS]
        for file in (trained.src, trained.tgt)
    )
    src[7] = ""
    for number in range(FILES):
        ids = list(range(number * ROWS, (number + 1) * ROWS))
        table = pa.table(
            {"id": ids, "src": [src[i] for i in ids], "tgt": [tgt[i] for i in ids]}
        )
        pq.write_table(table, text / f"{number}.parquet", row_group_size=2)
    # Short: its sockets lie there, whose paths have at most 107 characters.
    scratch = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    yield Ray(folder, text, scratch)
    deadline = time.monotonic() + 30
    while (left := processes_with(scratch)) and time.monotonic() < deadline:
        time.sleep(0.1)
    shutil.rmtree(scratch, ignore_errors=True)
    assert not left


@pytest.fixture(scope="module")
def links(ray: Ray, trained: Trained, run: Run) -> list[str]:
    """Return what `aligner align` writes for the files one by one."""
    lines = []
    for file in sorted(ray.text.iterdir()):
        table = pq.read_table(file)
        text = "".join(f"{row['src']} ||| {row['tgt']}\n" for row in table.to_pylist())
        result = run("align", trained.model, "--src", "-", stdin=text.encode())
        assert result.code == 0, result.err
        lines += result.out.split("\n")[:ROWS]
    return lines


@pytest.fixture(scope="module")
def begun(ray: Ray, trained: Trained, run: Run) -> dict[str, int]:
    """Leave what a killed command has done; return its files with their numbers."""
    program = KILLED.format(example=str(EXAMPLE))
    result = run(trained.model, ray.text, ray.folder / "out", program=program)
    assert result.code == -signal.SIGKILL, result.err
    part = ray.folder / "out.part"
    assert len(list(part.glob(".*.part"))) == 1, "what it was writing"
    found = {path.name: path.stat().st_ino for path in part.glob("*.parquet")}
    assert len(found) == 2
    return found


@pytest.fixture(scope="module")
def survived(ray: Ray, trained: Trained, begun: dict[str, int]) -> list[dict[str, Any]]:
    """Go on with two workers, one of which is killed; return what the program found."""
    marker, file, out = (ray.folder / name for name in ("killed", "rows.json", "out"))
    program = ray.folder / "program.py"
    names = {"marker": str(marker), "rows": str(file), "example": str(EXAMPLE)}
    program.write_text(PROGRAM.format(**names))
    result = ray.run(trained.model, ray.text, out, "--workers", "2", program=program)
    assert result.code == 0, result.err
    assert f"out: {FILES * ROWS} rows\n" in result.err
    assert marker.exists()
    rows: list[dict[str, Any]] = json.loads(file.read_text())
    return rows


def check(out: Path, links: list[str]) -> None:
    """Check for every row once, in order, with its links."""
    assert not out.with_name("out.part").exists()
    files = sorted(path.name for path in out.iterdir())
    assert files == [*(f"{n:06}-{n}.parquet" for n in range(FILES)), "_run.json"]
    table = pq.read_table(out)
    assert table["id"].to_pylist() == list(range(FILES * ROWS))
    assert table["links"].to_pylist() == links
    problems = [""] * (FILES * ROWS)
    problems[7] = "the source side is empty"
    assert table["problem"].to_pylist() == problems
    assert all(0 <= score <= 1 for score in table["score"].to_pylist())


def test_who_is_killed_loses_and_doubles_nothing(
    ray: Ray, survived: list[dict[str, Any]], links: list[str]
) -> None:
    check(ray.folder / "out", links)


def test_what_was_done_is_not_done_again(
    ray: Ray, begun: dict[str, int], survived: list[dict[str, Any]]
) -> None:
    out = ray.folder / "out"
    assert begun.items() <= {p.name: p.stat().st_ino for p in out.iterdir()}.items()


def test_ray_calls_the_batch_function(
    survived: list[dict[str, Any]], links: list[str]
) -> None:
    rows = sorted(survived, key=lambda row: row["id"])
    assert [row["links"] for row in rows] == links


def test_another_command_does_not_go_on(
    ray: Ray, trained: Trained, run: Run, survived: list[dict[str, Any]], tmp_path: Path
) -> None:
    command = [trained.model, ray.text]
    refusal(run, *command, ray.folder / "out").assert_clean_failure(
        "out: expected a new directory, got one that is there already"
    )
    shutil.copytree(ray.folder / "out", tmp_path / "out.part")
    other = refusal(run, *command, tmp_path / "out", "--src", "tgt", "--tgt", "src")
    other.assert_clean_failure("out.part: expected what this command began")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"src": ["a"]}, "x.parquet: expected a column 'tgt', got src"),
        ({"src": ["a"], "tgt": [1]}, "x.parquet: expected columns of strings"),
        (None, "x.parquet: "),
    ],
)
def test_mistakes(
    run: Run,
    trained: Trained,
    tmp_path: Path,
    columns: dict[str, list[Any]] | None,
    message: str,
) -> None:
    file = tmp_path / "x.parquet"
    if columns is None:
        file.write_text("no table")
    else:
        pq.write_table(pa.table(columns), file)
    result = refusal(run, trained.model, tmp_path, tmp_path / "out")
    result.assert_clean_failure(message)
    assert os.listdir(tmp_path) == ["x.parquet"]
