"""What alignment costs beside a plain forward pass, and beside naive norms.

    python benchmarks/extraction.py [--recipe small] [--words 20 50 100]

Three ways to go through the same sentence pairs in both directions, each in a process
of its own, all decoder layers run, with random weights (speed does not depend on them):

    plain    the forced-decoding forward pass alone: nothing recorded, no links
    aligner  `Aligner.align`: subwords, forward pass, norms of the last layer, word
             scores, links of both directions, joined
    naive    as aligner, but with the norms from the (B, H, T, S, D) tensor

By one thread: the aligner reads several batches at a time, one thread each. Extra
memory is the peak over what the process held before the first pair.
"""

import argparse
import multiprocessing
import os
import random
import resource
import statistics
import time
from typing import Any

import torch
from torch import Tensor

import aligner.extraction.reading as forced
from aligner.extraction.aligner import Aligner
from aligner.extraction.forced_decoding import SubwordPair, forced_batches
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.reading import Reading
from aligner.nmt.attention import AttentionRecord, MultiHeadAttention
from aligner.nmt.checkpoint import TranslationModel
from aligner.nmt.config import read_config
from aligner.nmt.transformer import Transformer
from aligner.text.subwords import TO_SRC, TO_TGT, Subwords

Pairs = list[tuple[list[str], list[str]]]


def made_up_pairs(words: int, pairs: int) -> Pairs:
    """Return sentence pairs of a given length over a made-up lexicon."""
    letters = random.Random(1)
    lexicon = [
        "".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=letters.randint(2, 9)))
        for _ in range(5000)
    ]
    return [
        (letters.choices(lexicon, k=words), letters.choices(lexicon, k=words))
        for _ in range(pairs)
    ]


def make_model(recipe: str, pairs: Pairs) -> TranslationModel:
    """Return a model of a recipe's sizes with random weights."""
    config = read_config(recipe).with_training(direction="both")
    subwords = Subwords.train(
        (src for src, _ in pairs), (tgt for _, tgt in pairs), vocab_size=8000
    )
    torch.manual_seed(1)
    network = Transformer(config.transformer, subwords.vocab_size).eval()
    return TranslationModel(config, subwords, network, {})


@torch.inference_mode()
def run_plain(model: TranslationModel, pairs: Pairs) -> None:
    """Run the forward pass, in the batches that the aligner makes."""
    segmented = [SubwordPair.of(pair, model.subwords) for pair in pairs]
    device = torch.device("cpu")
    for tag, seen in (
        (TO_TGT, segmented),
        (TO_SRC, [pair.turned() for pair in segmented]),
    ):
        for batch in forced_batches(seen, tag, device):
            model.network(batch.src, batch.tgt)


def run_aligner(model: TranslationModel, pairs: Pairs) -> None:
    """Align, reading the last layer."""
    last = len(model.network.decoder) - 1
    aligner = Aligner(model, Reading(last, "awo"), LinkRule(), max_length=10_000)
    for _ in aligner.align(pairs):
        pass


def run_naive(model: TranslationModel, pairs: Pairs) -> None:
    """Align with the norms taken from every single vector."""
    attention = model.network.decoder_layers[-1].cross_attention
    original = forced.attention_scores, MultiHeadAttention.gram

    def gram(self: MultiHeadAttention, values: Tensor) -> Tensor:
        return values  # the vectors themselves are needed

    def scores(record: AttentionRecord, *_: object) -> Tensor:
        heads = attention.heads
        per_head = attention.output.weight.view(-1, heads, record.gram.shape[-1])
        f = torch.einsum("bhsk,dhk->bhsd", record.gram, per_head)
        vectors = torch.einsum("bhts,bhsd->bhtsd", record.weights, f)
        return vectors.sum(dim=1).norm(dim=-1)

    MultiHeadAttention.gram = gram  # type: ignore[method-assign]
    forced.attention_scores = scores  # type: ignore[assignment]
    try:
        run_aligner(model, pairs)
    finally:
        forced.attention_scores, MultiHeadAttention.gram = original


WAYS = {"plain": run_plain, "aligner": run_aligner, "naive": run_naive}


def measure(way: str, recipe: str, words: int, pairs: int, queue: Any) -> None:
    """Measure one way in this process; put pairs/s and extra MB into the queue."""
    torch.set_num_threads(1)
    text = made_up_pairs(words, pairs)
    model = make_model(recipe, text)
    WAYS["plain"](model, text[:2])  # torch sets itself up in the first pass
    before = resident_bytes()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        WAYS[way](model, text)
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((pairs / statistics.median(seconds), (peak - before) / 1e6))


def resident_bytes() -> int:
    """Return the memory that this process holds now (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--words", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--pairs", type=int, default=200)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(
        f"recipe {arguments.recipe}, {arguments.pairs} pairs, "
        f"torch {torch.__version__}, 1 thread\n"
    )
    print("| words | way | pairs/s | time, plain = 1 | extra memory, MB |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for words in arguments.words:
        baseline = 0.0
        for way in WAYS:
            queue = context.Queue()
            process = context.Process(
                target=measure,
                args=(way, arguments.recipe, words, arguments.pairs, queue),
            )
            process.start()
            speed, memory = queue.get()
            process.join()
            baseline = baseline or speed
            print(
                f"| {words} | {way} | {speed:.1f} | {baseline / speed:.2f} "
                f"| {memory:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
