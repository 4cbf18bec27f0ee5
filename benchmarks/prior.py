"""How fast the statistical prior is, beside eflomal and fast_align, and what it needs.

    pip install sil-thot eflomal
    python benchmarks/prior.py --src text.en --tgt text.fr --pairs 10000 50000 100000

Prints a table in Markdown: for the first N pairs of a text, each system in a process of
its own, one after the other, the wall time and the processors' time from text to links,
both directions, and the peak memory; times as ratios to the first system's in the same
run. `eflomal` is the program itself, `fast_align` sil-thot's, as in `quality.py`.

A text that has fewer pairs is made longer by copies of itself in which each word that
occurs up to 20 times has another name: so new words, and pairs of words, go on to come.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from quality import SYSTEMS, measure

from aligner.files import write_whole
from aligner.text.bitext import read_bitext

HEAD = "| pairs | system | seconds | to the first's | processor seconds | MB |"
SELDOM = 20  # occurrences of the words that are other words in each copy


def lengthened(lines: list[str]) -> Iterator[str]:
    """Yield the lines of one side, and then copies of them, without an end."""
    counts = Counter(word for line in lines for word in line.split())
    yield from lines
    for copy in count(1):
        for line in lines:
            yield " ".join(
                word if counts[word] > SELDOM else f"{copy}~{word}"
                for word in line.split()
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--src", required=True)
    parser.add_argument("--tgt", required=True)
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument(
        "--systems", nargs="+", default=["prior", "eflomal", "fast_align"],
        choices=SYSTEMS,
    )  # fmt: skip
    options = parser.parse_args()
    text = list(islice(read_bitext(options.src, options.tgt), max(options.pairs)))
    if not text:
        parser.error(f"{options.src}: expected at least one line")
    print(HEAD)
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for pairs in options.pairs:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for side, file in enumerate(("src", "tgt")):
                lines = islice(lengthened([pair[side] for pair in text]), pairs)
                write_whole(folder / file, "".join(f"{line}\n" for line in lines))
            first = 0.0
            for system in options.systems:
                figures = measure(system, folder, 0)
                seconds = figures["seconds"]
                first = first or seconds
                processors = figures["processor_seconds"]
                print(
                    f"| {pairs:,} | {system} | {seconds:.1f} "
                    f"| {seconds / first:.1f} | {processors:.1f} "
                    f"| {figures['megabytes']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
