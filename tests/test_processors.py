"""How many threads: what the process may use, and what the user says."""

import os
from pathlib import Path

import pytest
from conftest import Run, Trained

from aligner.processors import cpu_share

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
VERSION_1 = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "150000 100000\n"}, 2),  # one and a half
        ({"cpu.max": "10000 100000\n"}, 1),  # a tenth: still one thread
        (dict(zip(VERSION_1, ("200000\n", "100000\n"), strict=True)), 2),
    ],
)
def test_a_containers_quota_counts(
    tmp_path: Path, files: dict[str, str], quota: int
) -> None:
    assert cpu_share(written(tmp_path, files)) == min(quota, ALLOWED)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": "what is this"},
        {"cpu.max": "100000 0"},
        dict(zip(VERSION_1, ("-1\n", "100000\n"), strict=True)),
    ],
)
def test_without_a_quota_all_that_is_allowed_counts(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert cpu_share(written(tmp_path, files)) == ALLOWED


def test_the_user_has_the_last_word(run: Run, trained: Trained) -> None:
    command = ["align", trained.model, *trained.text(), "--direction", "forward"]
    result = run(*command, "--threads", "3")
    assert "device: cpu, 3 threads" in result.err
    assert run(*command).out == result.out
    refused = run(*command, "--threads", "0")
    assert refused.code == 2
    assert "--threads" in refused.err
