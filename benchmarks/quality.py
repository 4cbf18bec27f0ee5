"""Alignment error rate, time and memory of aligner and of other aligners.

    pip install sil-thot eflomal
    python benchmarks/quality.py --src train.en --tgt train.fr --trial-src trial.en \\
        --trial-tgt trial.fr --gold trial.wa --pairs 10000 50000 --minutes 10

Every system gets the same text, the first N pairs with the trial text (never its gold)
appended, and aligns the trial text, one system after the other, each in a process of
its own. Every system's two directions are joined by the same code. The time is the
whole time, from text to links; of aligner, the network's training is limited by
`--minutes`. Prints a table in Markdown, error rates in % with their 95 % intervals:
`default` is what aligner writes by default; precision, P, and recall, R, are those of
the first rate in their row. Keeps the alignments in `--out`, those of the trial text as
`trial.default`, `trial.intersection` and so on, and does not run again
what is there already.

`eflomal` and `fast_align` are what people use; through sil-thot, fast_align and a model
like eflomal's run without a compiler. sil-thot is LGPL, eflomal GPL: this benchmark
alone calls them, aligner does not.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from aligner.files import write_whole
from aligner.links.alignment import Alignment, GoldAlignment, flip
from aligner.links.evaluation import bootstrap_intervals, score
from aligner.links.formats import format_pharaoh, read_gold, read_pharaoh
from aligner.links.symmetrization import symmetrize
from aligner.text.bitext import read_bitext

JOINED = ("intersection", "grow-diag", "grow-diag-final-and")
WAYS = ("default", *JOINED, "forward", "reverse")
THOT_ITERATIONS = 5
Words = Sequence[str]

ALIGN = [sys.executable, "-m", "aligner"]
TRAIN = [*ALIGN, "train", "--overwrite"]


def eflomal(folder: Path, minutes: float) -> None:
    """Run eflomal with its defaults, model 3."""
    program = Path(sys.executable).with_name("eflomal-align")
    files = {"-s": "src", "-t": "tgt", "-f": "forward", "-r": "reverse"}
    options = [part for o, name in files.items() for part in (o, str(folder / name))]
    subprocess.run([str(program), "--overwrite", *options], check=True)


def thot(model: str, folder: Path, minutes: float) -> None:
    """Run one of sil-thot's models in both directions."""
    import thot.alignment

    sides = [(folder / name).read_text("utf-8").splitlines() for name in ("src", "tgt")]
    text = [[line.split() for line in side] for side in sides]
    for direction in ("forward", "reverse"):
        src, tgt = text if direction == "forward" else reversed(text)
        trained = getattr(thot.alignment, model)()
        for pair in zip(src, tgt, strict=True):
            trained.add_sentence_pair(*pair)
        trained.start_training()
        for _ in range(THOT_ITERATIONS):
            trained.train()
        trained.end_training()
        links = [
            _thot_links(trained.get_best_alignment(*pair)[1].to_list())
            for pair in zip(src, tgt, strict=True)
        ]
        if direction == "reverse":
            links = [flip(one) for one in links]
        _write(folder / direction, links)


def _thot_links(chosen: Sequence[int]) -> Alignment:
    """Return links from the source word, from 1, of each target word; 0 is NULL."""
    return frozenset((i - 1, j) for j, i in enumerate(chosen) if i > 0)


def fast_align(folder: Path, minutes: float) -> None:
    """Run sil-thot's fast_align."""
    thot("FastAlignModel", folder, minutes)


def thot_eflomal(folder: Path, minutes: float) -> None:
    """Run sil-thot's model like eflomal's."""
    thot("EflomalAlignmentModel", folder, minutes)


def prior(folder: Path, minutes: float) -> None:
    """Align by aligner's statistical prior alone, as `aligner prior` does."""
    command = [*ALIGN, "prior", "--src", str(folder / "src"), "--tgt"]
    out = str(folder / "default")
    subprocess.run([*command, str(folder / "tgt"), "--out", out], check=True)


def unguided(folder: Path, minutes: float) -> None:
    """Train by translation alone, and align by the norms."""
    aligner(folder, minutes, "--guide", "none")


def guided(folder: Path, minutes: float) -> None:
    """Train as `aligner train` does by default, in one round."""
    aligner(folder, minutes, "--rounds", "1")


def self_trained(folder: Path, minutes: float) -> None:
    """Train in two rounds, the second guided by what the first has found."""
    aligner(folder, minutes, "--rounds", "2")


def aligner(folder: Path, minutes: float, *options: str) -> None:
    """Train and align the trial text, by the default output and by each direction."""
    model = str(folder / "model")
    text = ["--src", str(folder / "src"), "--tgt", str(folder / "tgt")]
    limit = ["--max-minutes", f"{minutes:g}"]
    subprocess.run([*TRAIN, *text, "--out", model, *limit, *options], check=True)
    trial = ["--src", str(folder / "trial.src"), "--tgt", str(folder / "trial.tgt")]
    for name in ("forward", "reverse", "default"):
        direction = [] if name == "default" else ["--direction", name]
        out = ["--out", str(folder / name)]
        subprocess.run([*ALIGN, "align", model, *trial, *direction, *out], check=True)


SYSTEMS: dict[str, Callable[[Path, float], None]] = {
    "fast_align": fast_align,
    "thot-eflomal": thot_eflomal,
    "eflomal": eflomal,
    "prior": prior,
    "unguided": unguided,
    "guided": guided,
    "self-trained": self_trained,
}


def _write(path: Path, links: Sequence[Alignment]) -> None:
    write_whole(path, "".join(format_pharaoh(one) + "\n" for one in links))


def prepare(arguments: argparse.Namespace, pairs: int, folder: Path) -> None:
    """Write the text that a system is given: the first pairs, then the trial text."""
    folder.mkdir(parents=True, exist_ok=True)
    train = list(islice(read_bitext(arguments.src, arguments.tgt), pairs))
    trial = list(read_bitext(arguments.trial_src, arguments.trial_tgt))
    for side, name in enumerate(("src", "tgt")):
        of_trial = [pair[side] + "\n" for pair in trial]
        of_train = [pair[side] + "\n" for pair in train]
        write_whole(folder / name, "".join(of_train + of_trial))
        write_whole(folder / f"trial.{name}", "".join(of_trial))


def measure(arguments: argparse.Namespace, system: str, folder: Path) -> None:
    """Run a system in a process of its own; note its time and its peak memory."""
    started = time.monotonic()
    command = [sys.executable, __file__, "--run", system, str(folder)]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            [*command, str(arguments.minutes)], stdout=log, stderr=log
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{system} failed: see {folder / 'log'}")
    figures = {
        "seconds": time.monotonic() - started,
        "megabytes": usage.ru_maxrss / 1024,  # Linux: kilobytes
    }
    write_whole(folder / "figures.json", json.dumps(figures))


def outputs(folder: Path, sentences: int) -> dict[str, list[Alignment]]:
    """Return the trial text's alignments by every way of joining the directions."""
    ways = {}
    for name in ("default", "forward", "reverse"):
        if (folder / name).exists():
            ways[name] = read_pharaoh(folder / name)[-sentences:]
    if "forward" in ways:
        both = list(zip(ways["forward"], ways["reverse"], strict=True))
        for method in JOINED:
            ways[method] = [symmetrize(f, r, method) for f, r in both]
    return ways


def print_row(
    system: str, pairs: int, folder: Path, gold: Sequence[GoldAlignment]
) -> None:
    """Print what a system reached, and what it took."""
    ways = outputs(folder, len(gold))
    cells, rates = [], ""
    for name in WAYS:
        if name not in ways:
            cells.append("")
            continue
        _write(folder / f"trial.{name}", ways[name])
        result = score(gold, ways[name])
        low, high = bootstrap_intervals(gold, ways[name]).aer
        cells.append(f"{100 * result.aer:.1f} ({100 * low:.1f}-{100 * high:.1f})")
        rates = rates or f"{100 * result.precision:.1f} | {100 * result.recall:.1f}"
    figures = json.loads((folder / "figures.json").read_text())
    cost = f"{figures['seconds'] / 60:.1f} | {figures['megabytes']:.0f}"
    print(
        f"| {pairs} | {system} | {' | '.join(cells)} | {rates} | {cost} |", flush=True
    )


def main() -> None:
    """Run the systems, and print the table."""
    if sys.argv[1:2] == ["--run"]:
        system, folder, minutes = sys.argv[2:]
        return SYSTEMS[system](Path(folder), float(minutes))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("--src", "--tgt", "--trial-src", "--trial-tgt", "--gold"):
        parser.add_argument(option, required=True)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--systems", nargs="+", default=[*SYSTEMS], choices=SYSTEMS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("quality"))
    arguments = parser.parse_args()
    trial = list(read_bitext(arguments.trial_src, arguments.trial_tgt))
    gold = read_gold(arguments.gold, sentences=len(trial))
    print(f"| pairs | system | {' | '.join(WAYS)} | P | R | minutes | MB |")
    print(f"| ---: | --- |{' ---: |' * (len(WAYS) + 4)}", flush=True)
    for pairs in arguments.pairs:
        for system in arguments.systems:
            folder = arguments.out / f"{pairs}-{system}"
            if not (folder / "figures.json").exists():
                prepare(arguments, pairs, folder)
                measure(arguments, system, folder)
            print_row(system, pairs, folder, gold)
    return None


if __name__ == "__main__":
    main()
