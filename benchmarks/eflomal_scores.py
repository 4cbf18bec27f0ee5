"""What eflomal says of sentence pairs as a whole.

`pip install eflomal`; it is GPL, so that benchmarks alone call it.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from aligner.text.bitext import read_bitext

Floats = NDArray[np.float64]
WordPair = tuple[Sequence[str], Sequence[str]]


def eflomal_scores(pairs: Sequence[WordPair], priors: Path) -> Floats:
    """Return the mean of both directions' scores by eflomal, higher for likelier ones.

    It writes costs per word.
    """
    with TemporaryDirectory() as name:
        text, costs = written(pairs, Path(name)), [Path(name, x) for x in ("f", "r")]
        run_eflomal("align", *text, "-p", priors, "-F", costs[0], "-R", costs[1])
        return -np.mean([np.loadtxt(path) for path in costs], axis=0)


def eflomal_priors(src: str, tgt: str, priors: Path) -> None:
    """Write what eflomal learns of a text."""
    with TemporaryDirectory() as name:
        lines = read_bitext(src, tgt)
        text = written([(s.split(), t.split()) for s, t in lines], Path(name))
        links = ["-f", Path(name, "f"), "-r", Path(name, "r")]
        run_eflomal("align", *text, *links)
        run_eflomal("makepriors", *text, *links, "-p", priors)


def run_eflomal(command: str, *options: str | Path) -> None:
    """Run one of eflomal's programs, without what it says."""
    program = Path(sys.executable).with_name(f"eflomal-{command}")
    subprocess.run([program, *options], check=True, capture_output=True)


def written(pairs: Sequence[WordPair], folder: Path) -> list[str | Path]:
    """Write a text, and return the options that name it."""
    options: list[str | Path] = []
    for option, side in zip(("-s", "-t"), zip(*pairs, strict=True), strict=True):
        path = folder / option.strip("-")
        path.write_text("".join(" ".join(words) + "\n" for words in side), "utf-8")
        options += [option, path]
    return options
