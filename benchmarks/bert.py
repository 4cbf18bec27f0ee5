"""What reading an encoder costs in memory, beside the tensor that it never builds.

    pip install '.[bert]'
    python benchmarks/bert.py [--tokens 128 512] [--sequences 4]

A BERT of the usual sizes (12 layers, 12 heads, 768 dimensions) with random weights
reads sequences of one length, each way in a process of its own: `plain` runs the model
alone, a sequence at a time; `study` is the whole of `aligner analyze bert` but its
drawing. Extra memory is the peak over what the process held before the first sequence,
the model included; naive is the size of α f(x) of one layer and one sequence,
(H, T, S, D) in float32.
"""

import argparse
import multiprocessing
import os
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from aligner.analysis.encoder.encoder import Encoder
from aligner.analysis.encoder.study import study_encoder

LAYERS, HEADS, DIM = 12, 12, 768
WORDS = [f"w{number}" for number in range(5000)]


def make_encoder() -> Encoder:
    """Return an encoder with random weights, whose words are its tokens."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", ".", *WORDS]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = Path(folder, "vocab.txt")
        vocabulary.write_text("\n".join(pieces), encoding="utf-8")
        tokenizer = BertTokenizerFast.from_pretrained(folder)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(pieces),
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        hidden_size=DIM,
    )
    return Encoder("random", BertModel(config).eval(), tokenizer)


def made_up_lines(tokens: int, sequences: int) -> list[str]:
    """Return lines that have so many tokens with CLS and SEP, a period at the end."""
    draw = random.Random(1)
    return [
        " ".join([*draw.choices(WORDS, k=tokens - 3), "."]) for _ in range(sequences)
    ]


def run_plain(encoder: Encoder, lines: list[str]) -> None:
    """Run the model, a sequence at a time."""
    for ids in encoder.sequences(lines).ids:
        batch = encoder.batch([ids])
        with torch.inference_mode():
            encoder.model(input_ids=batch.ids, attention_mask=batch.mask.long())


def run_study(encoder: Encoder, lines: list[str]) -> None:
    """Make the report, a sequence at a time."""
    study_encoder(encoder, lines, batch_tokens=1)


def run_batches(encoder: Encoder, lines: list[str]) -> None:
    """Make the report, in batches of the usual size."""
    study_encoder(encoder, lines)


WAYS = {"plain": run_plain, "study": run_study, "study, in batches": run_batches}


def measure(way: str, tokens: int, sequences: int, queue: Any) -> None:
    """Measure one way in this process; put seconds and extra MB into the queue."""
    encoder = make_encoder()
    lines = made_up_lines(tokens, sequences)
    run_study(encoder, made_up_lines(8, 1))  # libraries set themselves up
    before = resident_bytes()
    started = time.perf_counter()
    WAYS[way](encoder, lines)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((seconds, (peak - before) / 1e6))


def resident_bytes() -> int:
    """Return the memory that this process holds now (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--sequences", type=int, default=4)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| tokens | way | seconds per sequence | extra memory, MB | naive, MB |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for tokens in arguments.tokens:
        naive = HEADS * tokens * tokens * DIM * 4 / 1e6
        for way in WAYS:
            queue = context.Queue()
            process = context.Process(
                target=measure, args=(way, tokens, arguments.sequences, queue)
            )
            process.start()
            seconds, memory = queue.get()
            process.join()
            print(
                f"| {tokens} | {way} | {seconds / arguments.sequences:.2f} "
                f"| {memory:.0f} | {naive:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
