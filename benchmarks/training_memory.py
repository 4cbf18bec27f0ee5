"""What a training needs in memory and time before its first update, by its pairs.

    python benchmarks/training_memory.py [--pairs 10000 1000000] [--joined]

Trains the recipe tiny for a few updates on the sample corpus, without a guide and with
the statistical prior's, each in a process of its own, and prints a table in Markdown:
seconds until the training begins (the text read, the prior estimated, subwords learnt,
all encoded), the peak of anonymous memory until the last update, sampled, and of all
memory, which includes what the system holds of files only as long as there is room
(Linux). What follows is done for 500 pairs, whatever the text. The text, once
made, is kept in FOLDER. With --joined, the text has the words of 10,000 pairs, however
many it has itself.
"""

import argparse
import multiprocessing
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from aligner.nmt.config import read_config
from aligner.sample.grammar import sample_corpus

SHARD = 20_000  # pairs that are made at a time, each time by another seed
UPDATES = 20
INTERVAL = 0.05  # seconds between samples


def write_shard(folder: Path, seed: int, pairs: int) -> None:
    """Add so many sentence pairs to both files."""
    corpus = sample_corpus(pairs, seed)
    for side in ("src", "tgt"):
        lines = (" ".join(getattr(pair, side)) + "\n" for pair in corpus)
        with (folder / side).open("a", encoding="utf-8") as file:
            file.writelines(lines)


def write_text(folder: Path, pairs: int) -> None:
    """Write a sample corpus of so many pairs, a few of which are equal."""
    folder.mkdir(parents=True)
    with multiprocessing.Pool(1, maxtasksperchild=1) as pool:
        for seed, first in enumerate(range(0, pairs, SHARD), start=1):
            pool.apply(write_shard, (folder, seed, min(SHARD, pairs - first)))


def write_joined(folder: Path, pairs: int) -> None:
    """Write pairs that join two of the smallest corpus: no words but its own."""
    folder.mkdir(parents=True)
    corpus, draw = sample_corpus(SHARD // 2), random.Random(1)
    with (folder / "src").open("w") as src, (folder / "tgt").open("w") as tgt:
        for _ in range(pairs):
            one, other = draw.choices(corpus, k=2)
            src.write(" ".join(one.src + other.src) + "\n")
            tgt.write(" ".join(one.tgt + other.tgt) + "\n")


def megabytes(process: int, name: str) -> float:
    """Return what /proc says of a process's memory."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"{name}:\s*(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def train(text: Path, guide: str) -> tuple[float, float, float]:
    """Return seconds until the training began, peak anonymous and peak memory, MB."""
    with tempfile.TemporaryDirectory() as name:
        recipe = Path(name, "recipe.toml")
        tiny = Path(__file__).parent.parent / "models" / "tiny.toml"
        content = re.sub(
            r"(?m)^max_updates = \d+", f"max_updates = {UPDATES}", tiny.read_text()
        )
        recipe.write_text(content)
        assert read_config(str(recipe)).training.max_updates == UPDATES
        command = [sys.executable, "-m", "aligner", "train", "--config", str(recipe)]
        command += ["--src", f"{text}/src", "--tgt", f"{text}/tgt", "--guide", guide]
        command += ["--out", f"{name}/model", "--device", "cpu"]
        started, began = time.monotonic(), 0.0
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        peaks, ended = [0.0, 0.0], threading.Event()
        watching = threading.Thread(target=watch, args=(process, peaks, ended))
        watching.start()
        for line in process.stderr or ():
            if line.startswith("model: ") and not began:
                began = time.monotonic() - started
            if line.startswith("training ended"):
                ended.set()
        watching.join()
        assert process.wait() == 0
    return began, *peaks


def watch(
    process: "subprocess.Popen[str]", peaks: list[float], ended: threading.Event
) -> None:
    """Note the highest memory until the training has ended: anonymous, and all."""
    while not ended.wait(INTERVAL) and process.poll() is None:
        peaks[0] = max(peaks[0], megabytes(process.pid, "RssAnon"))
        peaks[1] = max(peaks[1], megabytes(process.pid, "VmHWM"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--guide", nargs="+", default=["none", "auto"])
    parser.add_argument("--joined", action="store_true")
    arguments = parser.parse_args()
    kind, write = (
        ("joined", write_joined) if arguments.joined else ("sample", write_text)
    )
    print("| guide | pairs | seconds to the start | anonymous, MB | all, MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        for guide in arguments.guide:
            for pairs in arguments.pairs:
                text = (arguments.text or Path(name)) / f"{kind}-{pairs}"
                if not text.is_dir():
                    write(text, pairs)
                began, anonymous, everything = train(text, guide)
                print(
                    f"| {guide} | {pairs:,} | {began:.0f} | {anonymous:.0f} "
                    f"| {everything:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
