"""What reading a model of `transformers` costs beside its plain forward pass.

    pip install '.[pretrained]'
    python benchmarks/hub.py [--pieces 10 25 60]

A Marian model of OPUS-MT's size (6 + 6 layers, 512 dimensions, 8 heads, a vocabulary of
32,000) with random weights, on which speed does not depend; sentence pairs of so many
random pieces on either side. In the same batches, in turns:

    plain    the model's own forced-decoding forward pass, by its own attention, without
             logits
    reading  norms of the last layer, as scores of words

CPU seconds of one thread; the median of five runs each. Extra memory is the peak, in a
process of its own, over what the process held before the first pair.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from extraction import resident_bytes
from pretrained import plain_pass
from transformers import MarianConfig, MarianModel

from aligner.extraction.forced_decoding import SubwordPair, forced_batches
from aligner.extraction.pretrained_aligner import TAG
from aligner.extraction.reading import Reading, read_word_scores
from aligner.pretrained.hub_network import HookedDecoder, HubNetwork, ModelIds
from aligner.text.subwords import SPECIALS

RUNS = 5
VOCABULARY = 32_000
PIECES_IN_ALL = 600  # on a side, of all pairs together
WORD = 2  # pieces


def make_network() -> HubNetwork:
    """Return a model of random weights."""
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=VOCABULARY,
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        max_position_embeddings=512,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    hooked = HookedDecoder("made up", MarianModel(config).eval())
    return HubNetwork(hooked, ModelIds(pad=0, unknown=2, end=1, start=0))


def make_pairs(pieces: int) -> list[SubwordPair]:
    """Return sentence pairs of about so many random pieces on a side."""
    random = np.random.default_rng(1)

    def side() -> tuple[np.ndarray, np.ndarray]:
        size = int(random.integers(pieces * 3 // 4, pieces * 5 // 4 + 1))
        ids = random.integers(len(SPECIALS) + 3, VOCABULARY, size).astype(np.int32)
        return ids, (np.arange(size) // WORD).astype(np.int32)

    pairs = []
    for _ in range(max(8, PIECES_IN_ALL // pieces)):
        (src, src_words), (tgt, tgt_words) = side(), side()
        pairs.append(SubwordPair(src, tgt, src_words, tgt_words))
    return pairs


@torch.inference_mode()
def run_plain(network: HubNetwork, pairs: Sequence[SubwordPair]) -> None:
    """Run the forward pass, in the batches that reading makes."""
    for batch in forced_batches(pairs, TAG, network.device):
        plain_pass(network, batch)


def run_reading(network: HubNetwork, pairs: Sequence[SubwordPair]) -> None:
    """Read the last layer."""
    read_word_scores(network, pairs, TAG, Reading(network.depth - 1, "awi"))


WAYS: dict[str, Callable[[HubNetwork, Sequence[SubwordPair]], None]] = {
    "plain": run_plain,
    "reading": run_reading,
}


def peak(way: str, pieces: int) -> float:
    """Return the extra memory of one way, in MB; to be run in a process of its own."""
    torch.set_num_threads(1)
    network, pairs = make_network(), make_pairs(pieces)
    WAYS[way](network, make_pairs(4))  # what is set up at first
    before = resident_bytes()
    WAYS[way](network, pairs)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return (most - before) / 1e6


def seconds_of(network: HubNetwork, pairs: list[SubwordPair]) -> list[float]:
    """Return the median CPU seconds of each way, run in turns."""
    runs: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(RUNS):
        for way, run in WAYS.items():
            started = time.process_time()
            run(network, pairs)
            runs[way].append(time.process_time() - started)
    return [statistics.median(seconds) for seconds in runs.values()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pieces", type=int, nargs="+", default=[10, 25, 60])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = make_network()
    fresh = multiprocessing.get_context("spawn")
    print("| pieces | plain s | reading s | times | plain MB | reading MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for pieces in arguments.pieces:
        plain, reading = seconds_of(network, make_pairs(pieces))
        with fresh.Pool(1, maxtasksperchild=1) as pool:
            memory = [pool.apply(peak, (way, pieces)) for way in WAYS]
        print(
            f"| {pieces} | {plain:.2f} | {reading:.2f} | {reading / plain:.2f} | "
            f"{memory[0]:.0f} | {memory[1]:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
