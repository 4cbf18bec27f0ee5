"""Several processes of torchrun that align one text together.

Each aligns its share into a file of its own, beside the output; the first one waits for
all of them and joins them in order. So they need to see one file system, and nothing
else of each other. When one dies, torchrun ends the others.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from aligner.cli.outputs import open_files

POLL_SECONDS = 0.1


class Rank(NamedTuple):
    """Our number, from 0, among so many processes, and what they have in common."""

    number: int
    of: int
    run: str

    def share_of(self, path: Path, number: int, state: str) -> Path:
        """Return where a process writes its share of an output."""
        return path.with_name(f".{path.name}.{self.run}-{number}.{state}.part")


def rank_from_environment() -> Rank | None:
    """Return our place among the processes of torchrun; None where we are alone."""
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    number, of = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    if of == 1:
        return None
    if environment["LOCAL_WORLD_SIZE"] == environment["WORLD_SIZE"]:
        return Rank(number, of, str(os.getppid()))
    # Of several machines, what torchrun was told on all of them.
    port = environment["MASTER_PORT"]
    return Rank(number, of, f"{environment['TORCHELASTIC_RUN_ID']}-{port}")


@contextmanager
def open_shares(paths: list[Path], rank: Rank) -> Iterator[list[TextIO]]:
    """Yield files for our share; on success the first process joins all shares."""
    writing = [rank.share_of(path, rank.number, "writing") for path in paths]
    done = [rank.share_of(path, rank.number, "done") for path in paths]
    try:
        with ExitStack() as opened:
            for path in writing:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield [
                opened.enter_context(path.open("w", encoding="utf-8", newline="\n"))
                for path in writing
            ]
        for path, complete in zip(writing, done, strict=True):
            os.replace(path, complete)
        if rank.number == 0:
            _join(paths, rank)
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise
    finally:
        for path in writing:
            path.unlink(missing_ok=True)


def _join(paths: list[Path], rank: Rank) -> None:
    shares = [
        [rank.share_of(path, number, "done") for number in range(rank.of)]
        for path in paths
    ]
    try:
        while not all(share.exists() for of_path in shares for share in of_path):
            time.sleep(POLL_SECONDS)
        with open_files(paths) as files:
            for file, of_path in zip(files, shares, strict=True):
                for share in of_path:
                    with share.open(encoding="utf-8", newline="") as part:
                        shutil.copyfileobj(part, file)
    finally:
        for of_path in shares:
            for share in of_path:
                share.unlink(missing_ok=True)
