"""How fast `aligner align` is, beside other aligners, and where its time goes.

    pip install sil-thot eflomal
    python benchmarks/alignment.py --peers VENV/bin/python [--pairs 5000]
        [--model MODEL --src text.en --tgt text.fr] [--reach 10000 100000]

Prints, for one text and so many threads, each system in a process of its own:

    speed    pairs/s and peak memory of both directions joined: aligner in bfloat16 and
             in float32, with a prior where the model has one and without; SimAlign,
             awesome-align and aligner's encoder with a BERT of random weights
             (`bert_aligners.py`), all in float32, on lines spread over the text, as
             they are slow; eflomal and fast_align, which estimate a model of the text
             itself before they align it
    profile  the share of the processors' time that each part of `aligner align` takes
    reach    time and memory for more and more lines: the text again and again

Aligner, SimAlign and awesome-align are timed from the loaded model to the last link.
Without `--model`, the model is recipe small with random weights, on which speed does
not depend, and a prior estimated from the text; without `--src`, the text is the sample
corpus, with short lines. `--peers` is an interpreter that has simalign and
awesome-align; without it they are left out.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

HERE = Path(__file__).parent
LARGE = 2048  # rows and columns of the matrices that show the machine's peak

WAYS = {
    "aligner, bfloat16, prior": ["--precision", "bfloat16"],
    "aligner, float32, prior": ["--precision", "float32"],
    "aligner, bfloat16": ["--precision", "bfloat16", "--prior-weight", "0"],
    "aligner, float32": ["--precision", "float32", "--prior-weight", "0"],
}
# What each part of the work is called, and the functions that do it.
PARTS = {
    "reading": [
        "aligner.cli.align:chunks_of_shard",
        "aligner.extraction.aligner:Aligner.problem",
    ],
    "subwords": ["aligner.extraction.aligner:SubwordPair.of"],
    "batches": ["aligner.extraction.reading:forced_batches"],
    "forward passes": ["aligner.extraction.reading:Reading.record"],
    "norms": ["aligner.extraction.reading:attention_scores"],
    "word scores": ["aligner.extraction.reading:word_scores"],
    "prior": [
        "aligner.prior.prior:Prior.word_scores",
        "aligner.extraction.pair_aligner:_mixed",
    ],
    "matching, symmetrization": ["aligner.extraction.link_rule:LinkRule.links"],
    "writing": ["aligner.links.formats:format_pharaoh"],
}


def make_model(text: Path, folder: Path) -> None:
    """Write a model of recipe small, with random weights and a prior, once."""
    import torch

    from aligner.nmt.checkpoint import save_recipe, save_weights
    from aligner.nmt.config import read_config
    from aligner.nmt.model_meta import ChosenReading, ModelMeta, save_meta
    from aligner.nmt.transformer import Transformer
    from aligner.prior.prior import estimate
    from aligner.prior.storage import save_prior
    from aligner.text.bitext import read_bitext
    from aligner.text.numbered import NumberedBitext
    from aligner.text.subwords import Subwords

    lines = itertools.islice(read_bitext(text), 5000)
    pairs = [(src.split(), tgt.split()) for src, tgt in lines]
    config = read_config("small").with_training(direction="both")
    subwords = Subwords.train(
        (src for src, _ in pairs), (tgt for _, tgt in pairs), vocab_size=8000
    )
    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
    save_recipe(folder, config, subwords)
    save_weights(folder, Transformer(config.transformer, subwords.vocab_size))
    save_prior(folder, estimate(NumberedBitext.of(pairs))[0])
    # As a guided model is read: an early layer, with the whole target in view.
    save_meta(folder, ModelMeta(alignment=ChosenReading(layer=1, rows="full")))


def make_text(arguments: argparse.Namespace, path: Path, lines: int) -> None:
    """Write so many lines of `src ||| tgt`; the text again and again if it is short."""
    from aligner.sample.grammar import sample_corpus
    from aligner.text.bitext import read_bitext

    pairs: Sequence[tuple[str, str]]
    if arguments.src:
        given = read_bitext(arguments.src, arguments.tgt)
        whole = (pair for pair in given if all(side.strip() for side in pair))
        pairs = list(itertools.islice(whole, lines))
    else:
        sample = sample_corpus(min(lines, 10_000))
        pairs = [(" ".join(pair.src), " ".join(pair.tgt)) for pair in sample]
    with path.open("w", encoding="utf-8") as file:
        for src, tgt in itertools.islice(itertools.cycle(pairs), lines):
            file.write(f"{src} ||| {tgt}\n")


def run_aligner(model: str, text: str, threads: int, *options: str) -> dict[str, Any]:
    """Run `aligner align`; return its figures and the seconds of its parts."""
    from aligner.cli.app import app

    timer = Timer()
    for part, functions in PARTS.items():
        for function in functions:
            timer.wrap(function, part)
    timer.count_products()
    timer.wrap("aligner.cli.align:_write", "all")
    out = ["--out", f"{text}.align", "--threads", str(threads), *options]
    app(["align", model, "--src", text, *out], standalone_mode=False)
    return {
        "pairs": sum(1 for _ in open(text, "rb")),
        "seconds": timer.passed["all"],
        "processor_seconds": timer.of_process["all"],
        "parts": dict(timer.seconds),
        "products": timer.products,
    }


class Timer:
    """Adds up the time that functions take, and the work of linear layers."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seconds: Counter[str] = Counter()  # of the calling threads' processors
        self.of_process: Counter[str] = Counter()  # of all threads' processors
        self.passed: Counter[str] = Counter()
        self.products = 0.0  # floating-point operations
        self._lock = Lock()

    def wrap(self, place: str, part: str) -> None:
        """Time a function, or what a generator does between two values."""
        module_name, name = place.split(":")
        *owners, name = name.split(".")
        owner = __import__(module_name, fromlist=["_"])
        for step in owners:
            owner = getattr(owner, step)
        is_class_method = isinstance(vars(owner).get(name), classmethod)
        function = getattr(owner, name)

        def timed(*args: Any, **options: Any) -> Any:
            with self._adding(part):
                result = function(*args, **options)
            return self._timed(result, part) if isinstance(result, Iterator) else result

        setattr(owner, name, staticmethod(timed) if is_class_method else timed)

    def _timed(self, values: Iterator[Any], part: str) -> Iterator[Any]:
        end = object()
        while True:
            with self._adding(part):
                value = next(values, end)
            if value is end:
                return
            yield value

    @contextmanager
    def _adding(self, part: str) -> Iterator[None]:
        clocks = time.thread_time, time.process_time, time.perf_counter
        started = [clock() for clock in clocks]
        yield
        ended = [clock() for clock in clocks]
        with self._lock:
            for seconds, first, last in zip(
                (self.seconds, self.of_process, self.passed),
                started,
                ended,
                strict=True,
            ):
                seconds[part] += last - first

    def count_products(self) -> None:
        """Count the operations of every linear layer."""
        from torch import nn

        original: Callable[..., Any] = nn.Linear.forward

        def forward(layer: nn.Linear, x: Any) -> Any:
            with self._lock:
                self.products += 2 * x.numel() * layer.out_features
            return original(layer, x)

        nn.Linear.forward = forward  # type: ignore[method-assign, assignment]


def measure_peak() -> dict[str, float]:
    """Return the operations a second that large matrix products reach, by dtype.

    By one thread, as batches are read by.
    """
    import torch

    torch.set_num_threads(1)
    found = {}
    for name in ("float32", "bfloat16"):
        x = torch.randn(LARGE, LARGE).to(getattr(torch, name))
        seconds = []
        for _ in range(8):
            started = time.perf_counter()
            x @ x
            seconds.append(time.perf_counter() - started)
        found[name] = 2 * LARGE**3 / min(seconds)
    return found


def run_estimator(name: str, text: str) -> dict[str, float]:
    """Run eflomal or fast_align, which need no model, on a text in both directions."""
    import quality

    folder = Path(f"{text}.split")
    folder.mkdir(exist_ok=True)
    pairs = [line.split(" ||| ") for line in Path(text).read_text("utf-8").splitlines()]
    for place, side in enumerate(("src", "tgt")):
        (folder / side).write_text("".join(f"{p[place]}\n" for p in pairs), "utf-8")
    started = time.perf_counter()
    quality.SYSTEMS[name](folder, 0)
    return {"pairs": len(pairs), "seconds": time.perf_counter() - started}


def child(command: list[str], threads: int) -> dict[str, Any]:
    """Return the JSON that a process prints last, and its peak memory in MB."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # this and the next two as the command has them
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
        "LRU_CACHE_CAPACITY": "64",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(HERE.parent),  # aligner, for the interpreter of its peers
    }
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{err.decode()}")
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {**result, "megabytes": usage.ru_maxrss / 1024}  # Linux: kilobytes


def own(*arguments: object) -> list[str]:
    """Return the command that runs one part of this file."""
    return [sys.executable, __file__, "--run", *map(str, arguments)]


def print_speed(name: str, found: dict[str, Any]) -> None:
    """Print a system's row."""
    speed = found["pairs"] / found["seconds"]
    print(
        f"| {name} | {found['pairs']} | {speed:.1f} | {found['megabytes']:.0f} |",
        flush=True,
    )


def compare(arguments: argparse.Namespace, text: Path, model: Path) -> dict[str, Any]:
    """Print the speeds; return what aligner's default run took."""
    print("| system | pairs | pairs/s | peak memory, MB |")
    print("| --- | ---: | ---: | ---: |")
    threads = arguments.threads
    default: dict[str, Any] = {}
    for name, options in WAYS.items():
        found = child(own("aligner", model, text, threads, *options), threads)
        default = default or found
        print_speed(name, found)
    if arguments.peers:
        few, bert = Path(f"{text}.few"), text.parent / "bert"
        lines = text.read_text("utf-8").splitlines(keepends=True)
        step = max(len(lines) // arguments.peer_pairs, 1)
        few.write_text("".join(lines[::step][: arguments.peer_pairs]), "utf-8")
        script = [arguments.peers, str(HERE / "bert_aligners.py")]
        child([*script, "make", str(threads), str(text), str(bert)], threads)
        for name in ("simalign", "awesome-align", "encoder"):
            command = [*script, name, str(threads), str(few), str(bert)]
            print_speed(name, child(command, threads))
    for name in arguments.estimators:
        print_speed(name, child(own("estimator", name, text), threads))
    return default


def print_profile(found: dict[str, Any], peak: dict[str, float]) -> None:
    """Print where the time went, and what share of the peak the products reached."""
    parts, total = found["parts"], found["processor_seconds"]
    print("\n| part | share of the processors' time, % |\n| --- | ---: |")
    for part in PARTS:
        print(f"| {part} | {100 * parts.get(part, 0) / total:.1f} |")
    rest = total - sum(parts.get(part, 0) for part in PARTS)
    print(f"| the rest | {100 * rest / total:.1f} |")
    print(f"\nProcessors busy on average: {total / found['seconds']:.2f}")
    reached = found["products"] / parts["forward passes"]
    print(
        f"Linear layers: {reached / 1e9:.0f} GFLOP/s of a thread over the forward "
        f"passes, {100 * reached / peak['bfloat16']:.0f} % of the "
        f"{peak['bfloat16'] / 1e9:.0f} of large products in bfloat16 (float32: "
        f"{peak['float32'] / 1e9:.0f})"
    )


def print_reach(arguments: argparse.Namespace, model: Path, folder: Path) -> None:
    """Print time and memory for ever more lines."""
    print("\n| lines | ms a pair | peak memory, MB |\n| ---: | ---: | ---: |")
    for lines in arguments.reach:
        text = folder / f"reach-{lines}"
        make_text(arguments, text, lines)
        command = own("aligner", model, text, arguments.threads)
        found = child(command, arguments.threads)
        milliseconds = 1000 * found["seconds"] / lines
        print(
            f"| {lines} | {milliseconds:.3f} | {found['megabytes']:.0f} |", flush=True
        )
        text.unlink()


def run_part(name: str, *rest: str) -> None:
    """Run one part in this process, and print its figures."""
    found: dict[str, Any] = {}
    if name == "model":
        make_model(Path(rest[0]), Path(rest[1]))
    elif name == "peak":
        found = measure_peak()
    elif name == "estimator":
        found = run_estimator(*rest)
    else:
        found = run_aligner(rest[0], rest[1], int(rest[2]), *rest[3:])
    print(json.dumps(found))


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == ["--run"]:
        return run_part(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--src")
    parser.add_argument("--tgt")
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--peers")
    parser.add_argument("--peer-pairs", type=int, default=200)
    parser.add_argument("--estimators", nargs="*", default=["eflomal", "fast_align"])
    parser.add_argument("--reach", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("alignment-speed"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = arguments.out / "text"
    make_text(arguments, text, arguments.pairs)
    model = arguments.model or arguments.out / "model"
    if not arguments.model:
        # Not in this process: what is started from it counts what it held as its own.
        child(own("model", text, model), arguments.threads)
    default = compare(arguments, text, model)
    print_profile(default, child(own("peak"), 1))
    print_reach(arguments, model, arguments.out)
    return None


if __name__ == "__main__":
    main()
