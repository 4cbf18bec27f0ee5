"""Where a training ends: the alignment error rate as it goes on.

    python benchmarks/convergence.py --set hansards --pairs 50000 \
        --minutes 5 10 20 30 60 120 --plot convergence.svg

One training of a set (see quality.py) is stopped at each of `--minutes`, its
development text is aligned, and it goes on (`aligner train --resume`). The time is that
of the network's training: the prior before it and what is chosen at every stop do not
count.

Prints a table in Markdown, error rates in % with 95 % intervals: what aligner writes by
default, what the norms and the weights of its attention say without the prior beside
them, and, in the first row, the prior. Drawn is the same, by `matplotlib`. Keeps the
alignments in `--out`, and does not run again what is there already.
"""

import argparse
import json
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from confidence import drawing
from quality import ALIGN, TRAIN, align, development, percent, prepare

from aligner.links.alignment import GoldAlignment
from aligner.links.evaluation import bootstrap_intervals, score
from aligner.links.formats import read_gold, read_pharaoh

SHOWN = ("default", "norms", "weights")


def train(folder: Path, minutes: Sequence[float]) -> None:
    """Train, and align at every stop."""
    model = str(folder / "model")
    text = ["--src", str(folder / "src"), "--tgt", str(folder / "tgt")]
    for before, now in pairwise([0.0, *minutes]):
        place = folder / f"{now:g}"
        if place.exists():
            continue
        begin = ["--resume"] if before else []
        limit = ["--max-minutes", f"{now - before:g}"]
        command = [*(TRAIN[:-1] if before else TRAIN), *text, "--out", model]
        subprocess.run([*command, *begin, *limit], check=True)
        part = folder / f"{now:g}.part"
        part.mkdir(exist_ok=True)
        align(folder, SHOWN, part)
        (part / "meta.json").write_text((folder / "model/meta.json").read_text())
        part.rename(place)
    if not (folder / "prior").exists():
        dev = ["--src", str(folder / "dev.src"), "--tgt", str(folder / "dev.tgt")]
        prior = [*ALIGN, "prior", "--load", model, *dev]
        subprocess.run([*prior, "--out", str(folder / "prior")], check=True)


def rate(gold: Sequence[GoldAlignment], path: Path) -> tuple[float, str]:
    """Return the error rate of links in a file, in %, and how it is shown."""
    links = read_pharaoh(path)
    found = score(gold, links).aer
    return 100 * found, percent(found, bootstrap_intervals(gold, links).aer)


def table(
    folder: Path, gold: Sequence[GoldAlignment], minutes: Sequence[float]
) -> dict[str, list[float]]:
    """Print the rows; return the rates of each way of reading, after the prior's."""
    print("| minutes | updates | passes | default | norms | weights |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    prior, shown = rate(gold, folder / "prior")
    print(f"| the prior alone | | | {shown} | | |")
    rates: dict[str, list[float]] = {"prior": [prior] * len(minutes)}
    for limit in minutes:
        place = folder / f"{limit:g}"
        meta = json.loads((place / "meta.json").read_text())
        state, examples = meta["training"], 2 * meta["data"]["pairs"]
        passes = state["epoch"] + state["examples"] / examples
        cells = [f"{limit:g}", str(state["updates"]), f"{passes:.1f}"]
        for name in SHOWN:
            found, shown = rate(gold, place / name)
            rates.setdefault(name, []).append(found)
            cells.append(shown)
        print(f"| {' | '.join(cells)} |", flush=True)
    return rates


def plot(path: str, minutes: Sequence[float], rates: dict[str, list[float]]) -> None:
    """Draw the rates over time."""
    pyplot = drawing()
    figure, axes = pyplot.subplots(figsize=(5.2, 3.6), layout="constrained")
    for name, values in rates.items():
        style = {"color": "grey", "linestyle": "--"} if name == "prior" else {}
        mark = {} if name == "prior" else {"marker": "o", "markersize": 4}
        axes.plot(minutes, values, label=name, **style, **mark)
    axes.set(
        xlabel="minutes of training", ylabel="alignment error rate, %", xscale="log"
    )
    axes.set_xticks(minutes, [f"{limit:g}" for limit in minutes])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Train, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, required=True, dest="text")
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--minutes", type=float, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path("convergence"))
    parser.add_argument("--plot")
    arguments = parser.parse_args()
    folder = arguments.out / f"{arguments.text.name}-{arguments.pairs}"
    minutes = sorted(arguments.minutes)
    prepare(arguments.text, arguments.pairs, folder)
    train(folder, minutes)
    gold = read_gold(
        arguments.text / "dev.gold", sentences=len(development(arguments.text))
    )
    rates = table(folder, gold, minutes)
    if arguments.plot:
        plot(arguments.plot, minutes, rates)


if __name__ == "__main__":
    main()
