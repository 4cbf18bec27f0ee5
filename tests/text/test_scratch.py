"""Arrays that grow on disk: the same as in memory, and nothing is left behind."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aligner.text import scratch
from aligner.text.scratch import (
    GrowingArray,
    forgotten,
    mapped_full,
    mapped_range,
    places_of_false,
    scratch_disk,
    taken,
)

chunks = st.lists(st.lists(st.integers(-9, 9), max_size=9), max_size=9)


@pytest.fixture(params=[1, 40, 1 << 20], ids=["file", "both", "memory"], autouse=True)
def _small(request: pytest.FixtureRequest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "IN_MEMORY", request.param)
        patch.setattr(scratch, "BLOCK", 3)
        yield


@given(chunks)
def test_what_is_added_comes_back(parts: list[list[int]]) -> None:
    growing = GrowingArray(np.int32)
    for part in parts:
        growing.append(np.array(part, np.int64))
    whole = growing.finish()
    assert whole.dtype == np.int32
    assert whole.tolist() == [value for part in parts for value in part]
    assert not whole.flags.writeable


def test_arrays_to_be_written_over() -> None:
    for array in (mapped_full(8, 0, np.float32), mapped_range(8)):
        array[3] = 7
        assert array[3] == 7
        assert len(array) == 8
    assert mapped_range(8).tolist() == list(range(8))
    assert not mapped_full(8, 0, bool).any()
    assert len(mapped_full(0, 0, np.int64)) == 0


def written(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a copy on the scratch disk, to be written over."""
    growing = GrowingArray(values.dtype)
    growing.append(values)
    return growing.finish(writable=True)


@pytest.mark.parametrize(
    ("first", "last"), [(0, 1 << 20), (5, 300_001), (7, 9), (3, 3)]
)
def test_what_is_forgotten_is_still_there(first: int, last: int) -> None:
    array = written(np.arange(1 << 20))
    array[::3] = -1
    expected = array.copy()
    forgotten(array[first:last])
    np.testing.assert_array_equal(array, expected)
    small = np.arange(5)
    forgotten(small)
    assert small.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_forgotten_takes_no_memory() -> None:
    def resident() -> int:
        status = Path("/proc/self/status").read_text()
        kinds = ("RssFile:", "RssShmem:")  # the latter, where files lie in memory
        return sum(int(status.split(kind)[1].split()[0]) << 10 for kind in kinds)

    array = written(np.zeros(1 << 24, np.int64))
    array[:] = 1
    before = resident()
    forgotten(array)
    assert before - resident() > 0.9 * array.nbytes


@given(st.lists(st.booleans()))
def test_choosing_equals_the_loop(marks: list[bool]) -> None:
    places = places_of_false(np.array(marks, bool))
    assert places.tolist() == [i for i, mark in enumerate(marks) if not mark]
    values = np.arange(len(marks)) * 10
    assert taken(values, places).tolist() == [10 * i for i in places]


def test_no_file_has_a_name(tmp_path: Path) -> None:
    with scratch_disk(tmp_path):
        growing = GrowingArray(np.int64)
    growing.append(np.arange(100))
    assert list(tmp_path.iterdir()) == []
    whole = growing.finish()
    assert list(tmp_path.iterdir()) == []
    assert whole.tolist() == list(range(100))


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    program = f"""
import numpy as np
from pathlib import Path
from aligner.text.scratch import mapped_full, scratch_disk
try:
    with scratch_disk(Path({str(tmp_path)!r})):
        mapped_full(1 << 20, 0, np.int64)
except OSError as error:
    print(error.filename, error.strerror)
"""

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        preexec_fn=limit_files,
    )
    assert found.stdout == f"{tmp_path} File too large\n"
    assert found.stderr == ""
