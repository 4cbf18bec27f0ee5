"""How fast a translation model is trained, beside a plain loop and JoeyNMT.

    python benchmarks/training.py [--src FILE --tgt FILE] [--dims 128 256 512]
        [--seconds 60] [--device cpu] [--joeynmt PYTHON] [--busy 1]

Recipe small in several widths, without a guide, in three ways, each in a process of its
own, on the same text cut into the same subwords:

    aligner  `Training`, as `aligner train --guide none` runs it
    plain    a loop on torch.nn.Transformer, as a tutorial has it: same batches, sizes,
             objective and precision (autocast), torch's own dropout, loss and AdamW
    joeynmt  JoeyNMT, by the interpreter of an environment that has it (PyPI: joeynmt),
             with the same sizes and as many tokens a batch, source to target only

Of each, the target subwords a second after a warm-up, padding left out; the share of
the fastest matrix product that was seen in the same process, in the precision of the
training, that the model's own products amount to (three times those of a forward pass;
padding left out); and the peak of all memory. With `--busy N`, each way runs once more
beside N processes that compute without end, and a column has what is left of its speed:
a fair share of C cores is C / (C + N). By default the text is the sample corpus, whose
sentences are short.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WARM_UP = 10.0  # seconds
PEAK_SIZE = 2048
SAMPLE_PAIRS = 20_000


def matmul_peak(device: str, dtype: "torch.dtype") -> float:  # noqa: F821
    """Return the floating-point operations a second of a large matrix product."""
    import torch

    size = PEAK_SIZE if device == "cpu" else 4 * PEAK_SIZE
    a, b = torch.randn(2, size, size, device=device, dtype=dtype)
    best = math.inf
    for _ in range(10):
        started = time.perf_counter()
        _synchronised(device, a @ b)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _synchronised(device: str, result: object) -> object:
    import torch

    if device != "cpu":
        torch.cuda.synchronize()
    return result


def peak_memory(device: str) -> int:
    """Return the peak of this process's memory, or of the GPU's, in megabytes."""
    import resource

    import torch

    if device != "cpu":
        return torch.cuda.max_memory_allocated() // 10**6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


class Setting:
    """The text, the sizes and the batches that all ways share."""

    def __init__(self, folder: Path, dim: int, device: str, batch_tokens: int) -> None:
        """Load the text that `prepare` wrote."""
        from aligner.nmt.batching import Batches, encode
        from aligner.text.bitext import read_bitext
        from aligner.text.numbered import Numbering
        from aligner.text.subwords import Subwords
        from aligner.text.words import split_words

        self.config = recipe(dim, batch_tokens)
        self.device = device
        self.subwords = Subwords.load(folder)
        numbering = Numbering()
        for src, tgt in read_bitext(folder / "src", folder / "tgt"):
            numbering.add(split_words(src), split_words(tgt))
        self.text = encode(numbering.finish(), self.subwords)
        training = self.config.training
        self.batches = Batches(self.text, "both", training.batch_tokens)

    def operations(self) -> float:
        """Return the products' operations for one target subword, on average.

        Of both sides as many subwords flow, as both directions are trained.
        """
        import numpy as np

        sizes = self.config.transformer
        square, feed = sizes.dim**2, 2 * sizes.dim * sizes.feed_forward_dim
        encoder = sizes.encoder_layers * (4 * square + feed)
        decoder = sizes.decoder_layers * (8 * square + feed)
        output = self.subwords.vocab_size * sizes.dim
        # Attention: scores and sums, for each of the other side's or the own subwords.
        examples = np.arange(len(self.batches))
        read, written = (
            self.batches.read_lengths(examples),
            self.batches.written_lengths(examples),
        )
        own = float((read**2).sum()) * sizes.encoder_layers
        own += float((written * (written + read)).sum()) * sizes.decoder_layers
        attention = 2 * sizes.dim * own / float(written.sum())
        return 3 * 2 * (encoder + decoder + output + attention)


def recipe(dim: int, batch_tokens: int) -> "Config":  # noqa: F821
    """Return recipe small in another width."""
    from aligner.nmt.config import read_config

    small = read_config("small")
    changes = {"dim": dim, "feed_forward_dim": 4 * dim, "heads": max(1, dim // 64)}
    sizes = small.transformer.model_copy(update=changes)
    training = small.training.model_copy(
        update={"batch_tokens": batch_tokens or small.training.batch_tokens}
    )
    return small.model_copy(update={"transformer": sizes, "training": training})


def train_by_aligner(setting: Setting, seconds: float) -> float:
    """Return target subwords a second of our own training."""
    import numpy as np
    import torch

    from aligner.nmt.batching import Batches
    from aligner.nmt.transformer import Transformer
    from aligner.training.loop import Training

    torch.manual_seed(1)
    network = Transformer(setting.config.transformer, setting.subwords.vocab_size)
    subwords, passed, last = 0.0, 0.0, 0.0

    def listen(report: "TrainingReport") -> None:  # noqa: F821
        nonlocal subwords, passed, last
        if report.kind == "train" and last > WARM_UP:
            subwords += report.tokens_per_second * (report.seconds - last)
            passed += report.seconds - last
        last = report.seconds

    with tempfile.TemporaryDirectory() as folder:
        training = Training(
            network.to(setting.device),
            setting.batches,
            Batches(setting.text.select(np.arange(100)), "both", 1000),
            setting.config.training,
            Path(folder),
        )
        training.run(listen, WARM_UP + seconds)
    return subwords / passed


def train_plainly(setting: Setting, seconds: float) -> float:
    """Return target subwords a second of a plain loop."""
    import torch
    from torch import nn

    from aligner.nmt.precision import precision_of
    from aligner.nmt.transformer import PAD, sinusoids

    sizes, config = setting.config.transformer, setting.config.training
    dtype = precision_of(config.precision, torch.device(setting.device))
    is_half = dtype == torch.bfloat16
    torch.manual_seed(1)
    model = nn.Transformer(
        sizes.dim,
        sizes.heads,
        sizes.encoder_layers,
        sizes.decoder_layers,
        sizes.feed_forward_dim,
        sizes.dropout,
        batch_first=True,
        norm_first=True,
    ).to(setting.device)
    embedding = nn.Embedding(setting.subwords.vocab_size, sizes.dim, PAD)
    embedding = embedding.to(setting.device)
    dropout = nn.Dropout(sizes.dropout)
    criterion = nn.CrossEntropyLoss(
        ignore_index=PAD, label_smoothing=config.label_smoothing
    )
    parameters = [*model.parameters(), *embedding.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)

    def embed(ids: torch.Tensor) -> torch.Tensor:
        positions = sinusoids(ids.shape[1], sizes.dim, ids.device)
        return dropout(embedding(ids) * math.sqrt(sizes.dim) + positions)

    def step(batch: "Batch") -> None:  # noqa: F821
        with torch.autocast(setting.device, torch.bfloat16, enabled=is_half):
            padding = batch.src == PAD
            causal = nn.Transformer.generate_square_subsequent_mask(
                batch.tgt.shape[1], device=batch.tgt.device
            )
            states = model(
                embed(batch.src),
                embed(batch.tgt),
                tgt_mask=causal,
                src_key_padding_mask=padding,
                tgt_key_padding_mask=batch.tgt == PAD,
                memory_key_padding_mask=padding,
                tgt_is_causal=True,
            )
            scores = states @ embedding.weight.T
            loss = criterion(scores.flatten(0, 1), batch.predicted.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    started = time.monotonic()
    begun, subwords, epoch = math.inf, 0, 0
    while True:
        for examples in setting.batches.epoch(config.seed, epoch):
            step(setting.batches.load(examples).to(torch.device(setting.device)))
            now = time.monotonic()
            if now - started > WARM_UP + seconds:
                return subwords / (_now(setting.device) - begun)
            if begun == math.inf and now - started > WARM_UP:
                begun = _now(setting.device)
            elif begun < math.inf:
                subwords += int(setting.batches.written_lengths(examples).sum())
        epoch += 1


def _now(device: str) -> float:
    _synchronised(device, None)
    return time.monotonic()


JOEYNMT = """
name: benchmark
model_dir: {out}
use_cuda: {cuda}
fp16: {cuda}
random_seed: 1
data:
  train: {folder}/pieces
  dev: {folder}/pieces.dev
  dataset_type: plain
  src: &side
    lang: src
    level: word
    lowercase: false
    voc_file: {folder}/vocabulary
  trg:
    <<: *side
    lang: tgt
testing: {{beam_size: 1}}
training:
  optimizer: adamw
  learning_rate: 0.001
  scheduling: warmupinversesquareroot
  learning_rate_warmup: 500
  clip_grad_norm: 1.0
  loss: crossentropy
  label_smoothing: 0.1
  batch_size: {tokens}
  batch_type: token
  normalization: tokens
  epochs: 1000
  updates: {updates}
  validation_freq: 1000000
  logging_freq: {every}
  keep_best_ckpts: 1
model:
  tied_embeddings: true
  tied_softmax: true
  encoder: {{type: transformer, num_layers: {encoder_layers}, num_heads: {heads},
    embeddings: {{embedding_dim: {dim}, scale: true, dropout: {dropout}}},
    hidden_size: {dim}, ff_size: {feed}, dropout: {dropout}, layer_norm: pre}}
  decoder: {{type: transformer, num_layers: {decoder_layers}, num_heads: {heads},
    embeddings: {{embedding_dim: {dim}, scale: true, dropout: {dropout}}},
    hidden_size: {dim}, ff_size: {feed}, dropout: {dropout}, layer_norm: pre}}
"""


def train_by_joeynmt(
    folder: Path, dim: int, device: str, tokens: int, seconds: float, python: str
) -> tuple[float, int]:
    """Return target subwords a second of JoeyNMT's training, and its peak memory."""
    config = recipe(dim, tokens)
    sizes = config.transformer
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "config.yaml"
        path.write_text(
            JOEYNMT.format(
                out=f"{out}/model",
                folder=folder,
                cuda=device != "cpu",
                tokens=config.training.batch_tokens,
                updates=max(60, int(4 * seconds)),
                every=20,
                encoder_layers=sizes.encoder_layers,
                decoder_layers=sizes.decoder_layers,
                heads=sizes.heads,
                dim=dim,
                feed=sizes.feed_forward_dim,
                dropout=sizes.dropout,
            )
        )
        command = ["/usr/bin/time", "-v"] if Path("/usr/bin/time").exists() else []
        command += [python, "-m", "joeynmt", "train", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    log = done.stdout + done.stderr
    speeds = [float(x) for x in re.findall(r"Tokens per Sec:\s*([\d.]+)", log)][1:]
    if not speeds:
        sys.exit(f"JoeyNMT failed:\n{log[-3000:]}")
    memory = re.search(r"Maximum resident set size \(kbytes\): (\d+)", log)
    return sum(speeds) / len(speeds), int(memory[1]) // 1000 if memory else 0


def prepare(folder: Path, src: str | None, tgt: str | None) -> None:
    """Write the text, its subwords, and the same as pieces for JoeyNMT."""
    from aligner.sample.grammar import sample_corpus
    from aligner.text.bitext import read_bitext
    from aligner.text.filters import FilterCounts, Filters, filter_pairs
    from aligner.text.subwords import SPECIALS, Subwords
    from aligner.text.words import split_words

    if src is None:
        pairs = [(list(p.src), list(p.tgt)) for p in sample_corpus(SAMPLE_PAIRS, 1)]
    else:
        lines = read_bitext(src, tgt)
        words = ((split_words(s), split_words(t)) for s, t in lines)
        kept = filter_pairs(words, Filters(100, 4.0), FilterCounts())
        pairs = [(list(s), list(t)) for _, s, t in kept]
    subwords = Subwords.train(
        (s for s, _ in pairs), (t for _, t in pairs), vocab_size=8000
    )
    subwords.save(folder)
    vocabulary = ["<unk>", "<pad>", "<s>", "</s>"]
    vocabulary += [f"p{i}" for i in range(len(SPECIALS), subwords.vocab_size)]
    (folder / "vocabulary").write_text("\n".join(vocabulary) + "\n")
    for place, side in enumerate(("src", "tgt")):
        (folder / side).write_text("".join(" ".join(p[place]) + "\n" for p in pairs))
        pieces = [
            " ".join(f"p{i}" for i in subwords.encode(pair[place], side)[0])
            for pair in pairs
        ]
        (folder / f"pieces.{side}").write_text("\n".join(pieces) + "\n")
        (folder / f"pieces.dev.{side}").write_text("\n".join(pieces[:50]) + "\n")


def measure(way: str, folder: Path, dim: int, device: str, args: list[float]) -> None:
    """Measure one way in this process, and print the figures as JSON."""
    from aligner.processors import prepare_environment

    if way == "aligner":
        prepare_environment()  # as the command line does, before torch is there
    else:  # bounded caches are no merit of either
        for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
            os.environ.setdefault(cache, "64")
    import torch

    from aligner.nmt.precision import precision_of

    tokens, seconds = int(args[0]), args[1]
    setting = Setting(folder, dim, device, tokens)
    dtype = precision_of(setting.config.training.precision, torch.device(device))
    peak = max(matmul_peak(device, dtype) for _ in range(3))
    run = train_by_aligner if way == "aligner" else train_plainly
    speed = run(setting, seconds)
    peak = max(peak, matmul_peak(device, dtype))
    share = speed * setting.operations() / peak
    print(json.dumps([speed, share, peak, peak_memory(device)]))


def main() -> None:
    """Measure every way and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--src")
    parser.add_argument("--tgt")
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--ways", nargs="*", default=["aligner", "plain"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--batch-tokens", type=int, default=0, help="0: the recipe's")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--joeynmt", metavar="PYTHON")
    parser.add_argument("--busy", type=int, default=0, help="processes beside")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        way, folder, dim = args.child
        settings = [args.batch_tokens, args.seconds]
        measure(way, Path(folder), int(dim), args.device, settings)
        return
    print(
        "| dim | way | tokens/s | plain = 1 | share of peak | peak, GFLOP/s | MB | "
        f"beside {args.busy} busy |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, args.src, args.tgt)
        for dim in args.dims:
            measure_width(folder, dim, args)


def printed(command: list[str]) -> list[float]:
    """Return what a process prints in its last line, as JSON."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Let so many processes compute without end meanwhile."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure_width(folder: Path, dim: int, args: argparse.Namespace) -> None:
    """Print the rows of one width: the plain loop last, what it is compared with."""
    figures, kept = {}, {}
    for way in args.ways:
        command = [sys.executable, __file__, "--child", way, str(folder), str(dim)]
        command += ["--seconds", str(args.seconds), "--device", args.device]
        command += ["--batch-tokens", str(args.batch_tokens)]
        figures[way] = printed(command)
        if args.busy:
            with busy(args.busy):
                beside = printed(command)
            kept[way] = f"{100 * beside[0] / figures[way][0]:.0f} %"
    if args.joeynmt:
        speed, memory = train_by_joeynmt(
            folder, dim, args.device, args.batch_tokens, args.seconds, args.joeynmt
        )
        figures["joeynmt"] = [speed, math.nan, math.nan, memory]
    plain = figures.get("plain", [math.nan])[0]
    for way, (speed, share, peak, memory) in figures.items():
        of_peak = "" if math.isnan(share) else f"{100 * share:.0f} %"
        gigaflops = "" if math.isnan(peak) else f"{peak / 1e9:.0f}"
        print(
            f"| {dim} | {way} | {speed:.0f} | {speed / plain:.2f} | {of_peak} | "
            f"{gigaflops} | {memory} | {kept.get(way, '')} |",
            flush=True,
        )


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
