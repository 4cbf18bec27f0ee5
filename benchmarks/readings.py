"""Every way to read a model's attention as an alignment, scored against gold.

    python benchmarks/readings.py MODEL --src trial.en --tgt trial.fr --gold trial.wa

Prints a table in Markdown: for each decoder layer, rows (AWI, AWO, and full where the
layer was guided) and score (weight, norm), the alignment error rate of either direction
and of every way to join them, by the attention alone; for the reading that the model
itself chose also with 95 % intervals, precision and recall: alone, the prior alone, and
both together. Last, what it costs that reading, threshold and rule were chosen without
gold: the error rate of the default output, and the lowest of all those above.
"""

import argparse

from aligner.extraction.aligner import (
    Aligner,
    stored_reading,
    stored_rule,
    stored_weight,
    trained_direction,
)
from aligner.extraction.link_rule import LinkRule, PairScores
from aligner.extraction.reading import Reading
from aligner.links.alignment import Alignment, GoldAlignment
from aligner.links.evaluation import AlignmentScore, bootstrap_intervals, score
from aligner.links.formats import read_gold
from aligner.links.symmetrization import METHODS
from aligner.terms import Rows
from aligner.text.bitext import read_bitext
from aligner.text.words import split_words


def rules(both: bool) -> dict[str, LinkRule]:
    """Return the rules to try, by name."""
    forward = {"forward": LinkRule("forward")}
    if not both:
        return forward
    joined = {method: LinkRule(symmetrize=method) for method in METHODS}
    soft = {f"soft {t / 100}": LinkRule(threshold=t / 100) for t in range(10, 90, 10)}
    return {**forward, "reverse": LinkRule("reverse"), **joined, **soft}


def readings(aligner: Aligner) -> list[tuple[int, Rows]]:
    """Return the layers and rows to try."""
    config = aligner.model.config
    tried: list[tuple[int, Rows]] = []
    for layer in range(config.transformer.decoder_layers):
        tried += [(layer, "awi"), (layer, "awo")]
        guided = aligner.model.is_guided
        if guided and layer == config.training.guide_layer - 1:
            tried.append((layer, "full"))
    return tried


def align(
    rule: LinkRule, pairs: list[PairScores], gold: list[GoldAlignment]
) -> tuple[AlignmentScore, list[Alignment]]:
    """Return the links by a rule, and their score."""
    if rule.direction == "forward":
        pairs = [PairScores(pair.forward, None) for pair in pairs]
    elif rule.direction == "reverse":
        pairs = [PairScores(None, pair.reverse) for pair in pairs]
    links = [rule.links(pair).links for pair in pairs]
    return score(gold, links), links


def percent(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * value:.1f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    for option in ("--src", "--tgt", "--gold"):
        parser.add_argument(option, required=True)
    arguments = parser.parse_args()
    aligner = Aligner.load(arguments.model)
    chosen = stored_reading(aligner.model)
    words = [
        (split_words(src), split_words(tgt))
        for src, tgt in read_bitext(arguments.src, arguments.tgt)
    ]
    gold = read_gold(arguments.gold, sentences=len(words))
    ways = rules(trained_direction(aligner.model) == "both")

    lowest: list[tuple[float, str]] = []
    print(f"| layer | rows | score | {' | '.join(ways)} |")
    print(f"| {' | '.join(['---:'] * (3 + len(ways)))} |")
    for layer, rows in readings(aligner):
        for kind in ("weight", "norm"):
            reading = Reading(layer, rows, kind)
            pairs = Aligner(aligner.model, reading, prior_weight=0).word_scores(words)
            cells = []
            for name, rule in ways.items():
                aer = align(rule, pairs, gold)[0].aer
                cells.append(percent(aer))
                lowest.append((aer, f"layer {layer + 1} {rows} {kind}, {name}"))
            mark = "*" if (layer, rows) == (chosen.layer, chosen.rows) else ""
            row = [f"{layer + 1}{mark}", rows.upper(), kind, *cells]
            print(f"| {' | '.join(row)} |", flush=True)

    mixtures = (0.0, 1.0, stored_weight(aligner.model))
    for prior_weight in mixtures if aligner.prior_weight else (0.0,):
        print(f"\n| norm, prior weight {prior_weight:g} | AER (95 %) | P | R |")
        print("| --- | ---: | ---: | ---: |")
        mixed = Aligner(aligner.model, prior_weight=prior_weight)
        pairs = mixed.word_scores(words)
        for name, rule in ways.items():
            result, links = align(rule, pairs, gold)
            low, high = map(percent, bootstrap_intervals(gold, links).aer)
            rates = map(percent, (result.precision, result.recall))
            cells = [f"{percent(result.aer)} ({low}-{high})", *rates]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
            lowest.append((result.aer, f"prior weight {prior_weight:g}, {name}"))

    rule = stored_rule(aligner.model)
    default = align(rule, aligner.word_scores(words), gold)[0].aer
    best, name = min(lowest)
    print(f"\ndefault, threshold {rule.threshold:g}: {percent(default)}")
    print(f"lowest of all: {percent(best)} ({name}); cost {percent(default - best)}")


if __name__ == "__main__":
    main()
