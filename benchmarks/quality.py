"""Alignment error rate, time and memory of aligner and of other aligners.

    pip install sil-thot eflomal
    python benchmarks/quality.py --set hansards greek --pairs 50000

A set is a directory with a file `sides` (the two extensions, `en fr`), training text
`train*.EXT` (perhaps packed), development text `dev.EXT`, and its gold, `dev.gold`.
Every system gets the same text, the development text (never its gold) and after it up
to N training pairs, and aligns the former, one system after the other, each in a
process of its own. Every system's two directions are joined by the same code. The time
is the whole time, from text to links; of aligner, the network's training is limited by
`--minutes`.

Prints a table in Markdown, error rates in % with their 95 % intervals: `default` is
what aligner writes by default, `norms` and `weights` what its attention says without
the prior beside it, `best` whichever of either direction alone and the rules that join
their links errs least on that very set, by gold. The last columns are paired
differences to the prior and to eflomal's rules: negative is better than those. Means
over the sets follow, and the difference to the prior over the sentences of all. Keeps
the alignments in `--out`, and does not run again what is there already.

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from aligner.files import write_whole
from aligner.links.alignment import Alignment, GoldAlignment, flip
from aligner.links.evaluation import bootstrap_intervals, compare, score
from aligner.links.formats import format_pharaoh, read_gold, read_pharaoh
from aligner.links.symmetrization import symmetrize
from aligner.text.bitext import read_bitext

USUAL = "grow-diag-final-and"
BOTH = (USUAL, "best")
JOINED = ("intersection", "grow-diag", USUAL)
THOT_ITERATIONS = 5
Words = Sequence[str]


class Errors(NamedTuple):
    """What is known of the errors of a system's rule on a set.

    Attributes:
        rate: the alignment error rate.
        gold: of each sentence.
        links: the system's.
        by_prior: the prior's; none if it did not run.
    """

    rate: float
    gold: Sequence[GoldAlignment]
    links: Sequence[Alignment]
    by_prior: Sequence[Alignment]


ALIGN = [sys.executable, "-m", "aligner"]
TRAIN = [*ALIGN, "train", "--overwrite"]
ALONE = ["--prior-weight", "0"]
ALIGNED = {
    "default": [],
    "norms": ALONE,
    "weights": [*ALONE, "--score", "weight"],
    "forward": ["--direction", "forward"],
    "reverse": ["--direction", "reverse"],
}


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
    """Train as `aligner train` does by default."""
    aligner(folder, minutes)


def aligner(folder: Path, minutes: float, *options: str) -> None:
    """Train and align the development text, by default and by each direction."""
    model = str(folder / "model")
    text = ["--src", str(folder / "src"), "--tgt", str(folder / "tgt")]
    limit = ["--max-minutes", f"{minutes:g}"]
    subprocess.run([*TRAIN, *text, "--out", model, *limit, *options], check=True)
    align(folder, ALIGNED, folder)


def align(folder: Path, names: Iterable[str], out: Path) -> None:
    """Align a folder's development text by the model there, in some of the ways."""
    dev = ["--src", str(folder / "dev.src"), "--tgt", str(folder / "dev.tgt")]
    command = [*ALIGN, "align", str(folder / "model"), *dev]
    for name in names:
        subprocess.run([*command, *ALIGNED[name], "--out", str(out / name)], check=True)


SYSTEMS: dict[str, Callable[[Path, float], None]] = {
    "fast_align": fast_align,
    "thot-eflomal": thot_eflomal,
    "eflomal": eflomal,
    "prior": prior,
    "unguided": unguided,
    "guided": guided,
}


def _write(path: Path, links: Sequence[Alignment]) -> None:
    write_whole(path, "".join(format_pharaoh(one) + "\n" for one in links))


def prepare(text: Path, pairs: int, folder: Path) -> None:
    """Write what a system is given: the development text, then training text."""
    folder.mkdir(parents=True, exist_ok=True)
    train = islice(
        read_bitext(*(_training(text, side) for side in _sides(text))), pairs
    )
    dev = development(text)
    every = [*dev, *train]
    for side, name in enumerate(("src", "tgt")):
        write_whole(folder / name, "".join(pair[side] + "\n" for pair in every))
        of_dev = "".join(pair[side] + "\n" for pair in dev)
        write_whole(folder / f"dev.{name}", of_dev)


def development(text: Path) -> list[tuple[str, str]]:
    """Return the development text of a set."""
    return list(read_bitext(*(text / f"dev.{side}" for side in _sides(text))))


def _sides(text: Path) -> list[str]:
    return (text / "sides").read_text().split()


def _training(text: Path, side: str) -> Path:
    found = sorted(text.glob(f"train*.{side}*"))
    if len(found) != 1:
        raise SystemExit(f"{text}: expected one training file of {side}, got {found}")
    return found[0]


def measure(system: str, folder: Path, minutes: float) -> dict[str, float]:
    """Run a system in a process of its own; note its times and its peak memory."""
    started = time.monotonic()
    command = [sys.executable, __file__, "--run", system, str(folder)]
    with (folder / "log").open("w") as log:
        child = subprocess.Popen([*command, str(minutes)], stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{system} failed: see {folder / 'log'}")
    figures = {
        "seconds": time.monotonic() - started,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss / 1024,  # Linux: kilobytes
    }
    write_whole(folder / "figures.json", json.dumps(figures))
    return figures


def outputs(folder: Path, sentences: int) -> dict[str, list[Alignment]]:
    """Return the development text's alignments by every way of joining directions."""
    ways = {}
    for name in ALIGNED:
        if (folder / name).exists():
            ways[name] = read_pharaoh(folder / name)[:sentences]
    if "forward" in ways:
        both = list(zip(ways["forward"], ways["reverse"], strict=True))
        for method in JOINED:
            ways[method] = [symmetrize(f, r, method) for f, r in both]
    return ways


def rules(
    ways: dict[str, list[Alignment]], gold: Sequence[GoldAlignment]
) -> dict[str, list[Alignment]]:
    """Return the alignments to report: by default, by the usual rule, by the best."""
    others = [name for name in ("forward", "reverse", *JOINED) if name in ways]
    shown = ("default", "norms", "weights", USUAL)
    chosen = {name: ways[name] for name in shown if name in ways}
    if others:
        best = min(others, key=lambda name: score(gold, ways[name]).aer)
        chosen["best"] = ways[best]
    return chosen


def rows(
    text: Path, pairs: int, systems: Sequence[str], out: Path
) -> Iterator[tuple[str, str, Errors]]:
    """Print a set's rows; yield system, rule and what is known of its errors."""
    found, figures = {}, {}
    gold = read_gold(text / "dev.gold", sentences=len(development(text)))
    for system in systems:
        folder = out / f"{text.name}-{pairs}-{system}"
        found[system] = rules(outputs(folder, len(gold)), gold)
        figures[system] = json.loads((folder / "figures.json").read_text())
    for system, of_system in found.items():
        cost = f"{figures[system]['seconds'] / 60:.1f}"
        cost += f" | {figures[system]['megabytes']:.0f}"
        for rule, links in of_system.items():
            result, spread = score(gold, links), bootstrap_intervals(gold, links).aer
            cells = [text.name, str(pairs), system, rule]
            cells += [percent(result.aer, spread)]
            cells += [f"{100 * x:.1f}" for x in (result.precision, result.recall)]
            for other, its in (("prior", "default"), *(("eflomal", r) for r in BOTH)):
                if other not in found or system == other:
                    cells.append("")
                    continue
                cells.append(_difference(gold, links, found[other][its]))
            print(f"| {' | '.join(cells)} | {cost} |", flush=True)
            by_prior = found["prior"]["default"] if "prior" in found else []
            yield system, rule, Errors(result.aer, gold, links, by_prior)


def _difference(
    gold: Sequence[GoldAlignment],
    links: Sequence[Alignment],
    others: Sequence[Alignment],
) -> str:
    found = compare(gold, links, others)
    return percent(found.difference, found.interval)


def percent(value: float, interval: tuple[float, float]) -> str:
    """Return a rate and its interval as they are shown, in %."""
    low, high = (100 * limit for limit in interval)
    return f"{100 * value:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    """Run the systems, and print the table."""
    if sys.argv[1:2] == ["--run"]:
        system, folder, minutes = sys.argv[2:]
        return SYSTEMS[system](Path(folder), float(minutes))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, nargs="+", required=True, dest="sets")
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--systems", nargs="+", default=[*SYSTEMS], choices=SYSTEMS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("quality"))
    arguments = parser.parse_args()
    pairs, out = arguments.pairs, arguments.out
    columns = ["set", "pairs", "system", "rule", "AER", "P", "R"]
    columns += ["to the prior", f"to eflomal's {USUAL}", "to eflomal's best"]
    columns += ["minutes", "MB"]
    print(f"| {' | '.join(columns)} |")
    print(f"| --- | ---: | --- | --- |{' ---: |' * (len(columns) - 4)}", flush=True)
    known: dict[tuple[str, str], list[Errors]] = {}
    for text in arguments.sets:
        for system in arguments.systems:
            folder = out / f"{text.name}-{pairs}-{system}"
            if not (folder / "figures.json").exists():
                prepare(text, pairs, folder)
                measure(system, folder, arguments.minutes)
        for system, rule, errors in rows(text, pairs, arguments.systems, out):
            known.setdefault((system, rule), []).append(errors)
    for (system, rule), of_sets in known.items():
        mean = f"{100 * sum(one.rate for one in of_sets) / len(of_sets):.2f}"
        together = ""
        if system != "prior" and of_sets[0].by_prior:
            parts = ("gold", "links", "by_prior")
            lists = ([x for s in of_sets for x in getattr(s, part)] for part in parts)
            together = _difference(*lists)
        print(
            f"| mean | {pairs} | {system} | {rule} | {mean} | | | {together} | | | | |"
        )
    return None


if __name__ == "__main__":
    main()
