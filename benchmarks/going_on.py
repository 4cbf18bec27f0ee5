"""What going on from a model with more text saves, and what it costs in links.

    python benchmarks/going_on.py --set hansards --pairs 10000 --more 2000

The text of a set (see quality.py), without its development text, is trained on in three
ways, each in a process of its own, and the development text is aligned by each:

    old   `aligner train` on all but the last `--more` pairs
    from  `aligner train --from` that model on the last pairs, with `--share` as many
          updates
    all   `aligner train` on all pairs from the start

Prints a table in Markdown: the alignment error rate in % with its 95 % interval, with
the network and by the prior alone, the processors' and the wall time of each training
from text to model, and the paired difference of `from` to `all`. Updates, not minutes,
limit the network's training: so other work on the machine hardly matters.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from quality import development, prepare

from aligner.files import write_whole
from aligner.links.evaluation import bootstrap_intervals, compare, score
from aligner.links.formats import read_gold, read_pharaoh
from aligner.nmt.config import read_config

ALIGN = [sys.executable, "-m", "aligner"]
WAYS = ("old", "from", "all")


def write_texts(text: Path, pairs: int, more: int, out: Path) -> None:
    """Write the text of each way, and the development text."""
    prepare(text, pairs, out)
    known = len(development(text))
    for name in ("src", "tgt"):
        lines = (out / name).read_text("utf-8").split("\n")[known:-1]
        parts = {"old": lines[:-more], "from": lines[-more:], "all": lines}
        for way, part in parts.items():
            write_whole(out / f"{way}.{name}", "".join(f"{line}\n" for line in part))


def train(way: str, updates: int, recipe: str, out: Path) -> tuple[float, float]:
    """Train in one way; return the processors' seconds, and the seconds."""
    config = read_config(recipe).with_training(max_updates=updates)
    write_whole(out / f"{way}.toml", config.to_toml())
    command = [*ALIGN, "train", "--overwrite", "--config", str(out / f"{way}.toml")]
    command += ["--src", str(out / f"{way}.src"), "--tgt", str(out / f"{way}.tgt")]
    command += ["--out", str(out / way)]
    if way == "from":
        command += ["--from", str(out / "old")]
    started = time.monotonic()
    with (out / f"{way}.log").open("w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{way} failed: see {out / f'{way}.log'}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - started


def align(way: str, out: Path) -> None:
    """Align the development text by a model, and by its prior alone."""
    text = ["--src", str(out / "dev.src"), "--tgt", str(out / "dev.tgt")]
    for kind, command in (
        ("model", ["align", str(out / way)]),
        ("prior", ["prior", "--load", str(out / way)]),
    ):
        links = ["--out", str(out / f"{way}.{kind}.align")]
        subprocess.run([*ALIGN, *command, *text, *links], check=True)


def main() -> None:
    """Train, align, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, required=True, dest="text")
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--more", type=int, default=2_000)
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--share", type=float, default=0.15)
    parser.add_argument("--config", default="small")
    parser.add_argument("--out", type=Path, default=Path("going-on"))
    options = parser.parse_args()
    out = options.out
    write_texts(options.text, options.pairs, options.more, out)
    gold = read_gold(options.text / "dev.gold")
    print("| way | AER | by the prior alone | processor seconds | seconds |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    for way in WAYS:
        share = options.share if way == "from" else 1
        times = train(way, round(share * options.updates), options.config, out)
        align(way, out)
        cells = []
        for kind in ("model", "prior"):
            found = read_pharaoh(out / f"{way}.{kind}.align")
            low, high = (100 * x for x in bootstrap_intervals(gold, found).aer)
            cells.append(f"{100 * score(gold, found).aer:.1f} ({low:.1f}-{high:.1f})")
        cells += [f"{seconds:.0f}" for seconds in times]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)
    for kind in ("model", "prior"):
        ours, theirs = (
            read_pharaoh(out / f"{way}.{kind}.align") for way in ("from", "all")
        )
        found = compare(gold, ours, theirs)
        low, high = (100 * x for x in found.interval)
        print(f"\n{kind}: {100 * found.difference:+.1f} ({low:+.1f} to {high:+.1f})")


if __name__ == "__main__":
    main()
