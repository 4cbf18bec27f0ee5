"""Several processes of torchrun that align one text together.

Each aligns its share into a file of its own, beside the output; when all have, the
first one joins them in order. So they need to see one file system, and each other as
torchrun lets them. When one dies, torchrun ends the others.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from aligner.cli.outputs import open_files
from aligner.files import written_beside

if TYPE_CHECKING:
    from aligner.training.processes import Processes


@contextmanager
def open_shares(
    paths: Sequence[Path], processes: "Processes"
) -> Iterator[list[TextIO]]:
    """Yield files for our share; once all are written, the first process joins them."""
    with ExitStack() as written:
        # Locked, and under names that only this run knows: see `written_beside`.
        shares = [written.enter_context(written_beside(path)) for path in paths]
        with ExitStack() as opened:
            yield [
                opened.enter_context(share.open("w", encoding="utf-8", newline="\n"))
                for share in shares
            ]
        of_all = processes.gathered(shares)
        if processes.is_first:
            _join(paths, of_all)
        processes.wait()


def _join(paths: Sequence[Path], shares: Sequence[Sequence[Path]]) -> None:
    with open_files(list(paths)) as files:
        for of_process in shares:
            for file, share in zip(files, of_process, strict=True):
                with share.open(encoding="utf-8", newline="") as part:
                    shutil.copyfileobj(part, file)
