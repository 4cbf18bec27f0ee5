"""Every way to read a model's attention as an alignment, scored against gold.

    python benchmarks/readings.py MODEL --src trial.en --tgt trial.fr --gold trial.wa

Prints a table in Markdown: for each decoder layer, rows (AWI, AWO) and score (weight,
norm), the alignment error rate of either direction and of every symmetrization, by the
attention alone; for the reading that the model itself chose also with 95 % intervals,
precision and recall: alone, the prior alone, and both together.
"""

import argparse

from aligner.extraction.aligner import (
    PRIOR_WEIGHT,
    Aligner,
    LinkRule,
    PairScores,
    stored_reading,
    trained_direction,
)
from aligner.extraction.forced_decoding import Reading
from aligner.links.alignment import GoldAlignment
from aligner.links.evaluation import bootstrap_intervals, score
from aligner.links.formats import read_gold
from aligner.links.symmetrization import METHODS
from aligner.text.bitext import read_bitext
from aligner.text.words import split_words


def rules(both: bool) -> dict[str, LinkRule]:
    """Return the rules to try, by name."""
    forward = {"forward": LinkRule("forward")}
    if not both:
        return forward
    joined = {method: LinkRule(symmetrize=method) for method in (*METHODS, "soft")}
    return {**forward, "reverse": LinkRule("reverse"), **joined}


def describe(
    rule: LinkRule, pairs: list[PairScores], gold: list[GoldAlignment], *, full: bool
) -> str:
    """Return a cell: the error rate in %, and in full what belongs to it."""
    if rule.direction == "forward":
        pairs = [PairScores(pair.forward, None) for pair in pairs]
    elif rule.direction == "reverse":
        pairs = [PairScores(None, pair.reverse) for pair in pairs]
    links = [rule.links(pair).links for pair in pairs]
    result = score(gold, links)
    if not full:
        return f"{100 * result.aer:.1f}"
    low, high = bootstrap_intervals(gold, links).aer
    return (
        f"{100 * result.aer:.1f} ({100 * low:.1f}-{100 * high:.1f}) | "
        f"{100 * result.precision:.1f} | {100 * result.recall:.1f}"
    )


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

    print(f"| layer | rows | score | {' | '.join(ways)} |")
    print(f"| {' | '.join(['---:'] * (3 + len(ways)))} |")
    for layer in range(aligner.model.config.transformer.decoder_layers):
        for rows in ("awi", "awo"):
            for kind in ("weight", "norm"):
                reading = Reading(layer, rows, kind)
                alone = Aligner(aligner.model, reading, prior_weight=0)
                pairs = alone.word_scores(words)
                cells = [describe(r, pairs, gold, full=False) for r in ways.values()]
                mark = "*" if (layer, rows) == (chosen.layer, chosen.rows) else ""
                row = [f"{layer + 1}{mark}", rows.upper(), kind, *cells]
                print(f"| {' | '.join(row)} |")

    for prior_weight in (0.0, 1.0, PRIOR_WEIGHT) if aligner.prior_weight else (0.0,):
        print(f"\n| norm, prior weight {prior_weight:g} | AER (95 %) | P | R |")
        print("| --- | ---: | ---: | ---: |")
        mixed = Aligner(aligner.model, prior_weight=prior_weight)
        pairs = mixed.word_scores(words)
        for name, rule in ways.items():
            print(f"| {name} | {describe(rule, pairs, gold, full=True)} |")


if __name__ == "__main__":
    main()
