"""Whether scores say what they seem to say, for links and for sentence pairs.

    python benchmarks/confidence.py MODEL --src trial.en --tgt trial.fr \\
        --gold trial.wa --held-out-src new.en --held-out-tgt new.fr [--plot plot.svg]

The plot needs matplotlib.

Links: of those that score so and so much, how many does gold allow? A table, a plot if
asked for, and the expected calibration error. By scores of the default output and of
all that the preset `recall` writes.

Sentence pairs: of a text that the model has not seen, 20 % of the target sides are
exchanged among themselves; how well do the sentence scores tell these from the others?
The area under the ROC curve: the probability that an exchanged pair scores below one
that is not.

Final punctuation: how many links join the last word of a sentence, where that is a
punctuation mark, with a word that is none.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from aligner.extraction.aligner import Aligner, WordPair, stored_rule
from aligner.extraction.link_rule import AlignedPair
from aligner.links.alignment import GoldAlignment
from aligner.links.formats import read_gold
from aligner.text.bitext import read_bitext
from aligner.text.words import split_words

BINS = 5
EXCHANGED = 0.2
MARKS = set(".?!:;")

Floats = NDArray[np.float64]


def read_words(src: str, tgt: str) -> list[WordPair]:
    """Return the sentence pairs of a text as words."""
    return [(split_words(s), split_words(t)) for s, t in read_bitext(src, tgt)]


def judged(
    aligned: Sequence[AlignedPair], gold: Sequence[GoldAlignment]
) -> tuple[Floats, Floats]:
    """Return every link's score, and 1 where gold allows the link."""
    scores, right = [], []
    for pair, answer in zip(aligned, gold, strict=True):
        for link, score in pair.scores.items():
            scores.append(score)
            right.append(float(link in answer.possible))
    return np.array(scores), np.array(right)


def reliability(scores: Floats, right: Floats) -> list[tuple[int, float, float]]:
    """Return, by bins of equal width, the links, their mean score, the share right."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    chosen = [bins == number for number in range(BINS)]
    return [
        (int(here.sum()), float(scores[here].mean()), float(right[here].mean()))
        for here in chosen
        if here.any()
    ]


def print_reliability(name: str, rows: list[tuple[int, float, float]]) -> None:
    """Print the bins, and how far score and share lie apart on average."""
    print(f"\n| {name}: mean score | allowed by gold | links |")
    print("| ---: | ---: | ---: |")
    for links, score, share in rows:
        print(f"| {score:.2f} | {share:.2f} | {links} |")
    total = sum(links for links, _, _ in rows)
    error = sum(links * abs(score - share) for links, score, share in rows) / total
    print(f"\nexpected calibration error {error:.3f}")


def plot_reliability(path: str, rows: list[tuple[int, float, float]]) -> None:
    """Draw the bins, with 95 % intervals, beside the diagonal."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot
    from scipy.stats import binomtest

    figure, axes = pyplot.subplots(figsize=(4.2, 4.2), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
    for links, score, share in rows:
        interval = binomtest(round(share * links), links).proportion_ci()
        axes.plot([score, score], [interval.low, interval.high], color="#1b6ca8")
        axes.plot(score, share, "o", color="#1b6ca8")
        axes.annotate(f" {links}", (score, share), fontsize=8, va="top")
    axes.set(
        xlim=(0, 1.03),
        ylim=(0, 1.03),
        xlabel="score of the links",
        ylabel="share that gold allows",
    )
    figure.savefig(path, metadata={"Date": None})


def exchanged(pairs: list[WordPair]) -> tuple[list[WordPair], NDArray[np.bool_]]:
    """Exchange some target sides among themselves; return which pairs are concerned."""
    random = np.random.default_rng(1)
    chosen = random.permutation(len(pairs))[: round(EXCHANGED * len(pairs))]
    mixed = list(pairs)
    for index, other in zip(chosen, np.roll(chosen, 1), strict=True):
        mixed[index] = (pairs[index][0], pairs[other][1])
    concerned = np.zeros(len(pairs), bool)
    concerned[chosen] = True
    return mixed, concerned


def final_marks(pairs: list[WordPair], aligned: Sequence[AlignedPair]) -> str:
    """Say how often final punctuation is linked to a word that is none."""
    links = strays = 0
    for sides, found in zip(pairs, aligned, strict=True):
        if any(not words or words[-1] not in MARKS for words in sides):
            continue
        src, tgt = sides
        for i, j in found.links:
            if i == len(src) - 1 or j == len(tgt) - 1:
                links += 1
                strays += not (src[i] in MARKS and tgt[j] in MARKS)
    return f"{links} links of final punctuation, {strays} of them to a word"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    for option in ("--src", "--tgt", "--gold", "--held-out-src", "--held-out-tgt"):
        parser.add_argument(option, required=True)
    parser.add_argument("--plot")
    arguments = parser.parse_args()
    aligner = Aligner.load(arguments.model)
    trial = read_words(arguments.src, arguments.tgt)
    gold = read_gold(arguments.gold, sentences=len(trial))
    for preset in ("balanced", "recall"):
        rule = stored_rule(aligner.model, preset)
        aligned = list(Aligner(aligner.model, rule=rule).align(trial))
        rows = reliability(*judged(aligned, gold))
        print_reliability(preset, rows)
    if arguments.plot:
        plot_reliability(arguments.plot, rows)

    pairs = read_words(arguments.held_out_src, arguments.held_out_tgt)
    mixed, concerned = exchanged(pairs)
    scores = np.array([pair.score for pair in aligner.align(mixed)])
    above = mannwhitneyu(scores[~concerned], scores[concerned]).statistic
    area = above / (concerned.sum() * (~concerned).sum())
    print(f"\n{len(pairs)} pairs, {concerned.sum()} exchanged: ROC AUC {area:.4f}")
    print(final_marks(pairs, list(aligner.align(pairs))))


if __name__ == "__main__":
    main()
