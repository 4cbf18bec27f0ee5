"""Whether scores say what they seem to say, for links and for sentence pairs.

    python benchmarks/confidence.py MODEL --src trial.en --tgt trial.fr \\
        --gold trial.wa [--plot plot.svg]
    python benchmarks/confidence.py PRIOR --held-out-src new.en --held-out-tgt new.fr \\
        [--other text.da] [--eflomal-src train.en --eflomal-tgt train.fr] \\
        [--pair-plot plot.svg]

MODEL is a model's directory, or what `aligner prior --save` keeps. Plots need
matplotlib.

Links: of those that score so and so much, how many does gold allow? A table, a plot if
asked for, and the expected calibration error. By scores of the default output and of
all that the preset `recall` writes.

Sentence pairs: how well do sentence scores tell pairs that the model has not seen from
junk made of them? For each kind of junk (`aligner.prior.junk`, drawn anew; and, with
`--other`, the target side in another language), the area under the ROC curve: the
probability that junk scores below a translation. Beside it, that of the score that was
used before, the mean of what each word's best link scores; and, given the text that the
model was trained on, of eflomal's (`pip install eflomal`): the mean of both directions'
scores, by the priors of that text, translations and all junk as one text.
The plot: how many pairs score at most so much.

Final punctuation: how many links join the last word of a sentence, where that is a
punctuation mark, with a word that is none.
"""

import argparse
from collections.abc import Sequence
from itertools import chain, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from eflomal_scores import eflomal_priors, eflomal_scores
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from aligner.extraction.aligner import Aligner, WordPair, stored_rule
from aligner.extraction.link_rule import AlignedPair
from aligner.links.alignment import GoldAlignment
from aligner.links.formats import read_gold
from aligner.links.matching import mean_share, row_shares
from aligner.nmt.model_meta import META
from aligner.prior.junk import KINDS, unlike
from aligner.prior.prior import Prior
from aligner.prior.storage import load_prior
from aligner.text.bitext import read_bitext, read_lines
from aligner.text.words import split_words

BINS = 5
SEED = 2  # of junk; not what a prior draws its own by
MARKS = set(".?!:;")

Floats = NDArray[np.float64]
Known: TypeAlias = Aligner | Prior


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
    from scipy.stats import binomtest

    pyplot = drawing()
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


def junk_of(pairs: list[WordPair], other: str | None) -> dict[str, list[WordPair]]:
    """Return junk of each kind, made of pairs and of text in another language."""
    random = np.random.default_rng(SEED)
    junk = {name: unlike(pairs, make(pairs, random)) for name, make in KINDS.items()}
    if other:
        lines = cycle(map(split_words, read_lines(other)))
        junk["another language"] = [(src, next(lines)) for src, _ in pairs]
    return junk


def mean_best_links(known: Known, pairs: list[WordPair]) -> Floats:
    """Return the mean of what each word's best link scores."""
    both = [(row_shares(f), row_shares(r)) for f, r in known.word_scores(pairs)]
    means = [mean_share(f[:, :-1].T, r[:, :-1]) for f, r in both]
    best = [np.concatenate([mean.max(axis=0), mean.max(axis=1)]) for mean in means]
    return np.array([one.mean() for one in best])


def roc_area(true: Floats, junk: Floats) -> float:
    """Return the probability that junk scores below a translation."""
    above = mannwhitneyu(true, junk).statistic
    return float(above / (len(true) * len(junk)))


def print_areas(
    known: Known, pairs: list[WordPair], junk: dict[str, list[WordPair]], priors: Path
) -> dict[str, Floats]:
    """Print how well each score tells junk; return ours, translations' first."""
    texts = {"translation": pairs, **junk}
    ours = {name: scores_of(known, text) for name, text in texts.items()}
    others = [{name: mean_best_links(known, text) for name, text in texts.items()}]
    if priors.exists():
        together = eflomal_scores([*chain.from_iterable(texts.values())], priors)
        ends = np.cumsum([len(text) for text in texts.values()])[:-1]
        others.append(dict(zip(texts, np.split(together, ends), strict=True)))
    print(f"\n{len(pairs)} translations, and as much junk of each kind: ROC AUC")
    print("\n| junk | score | as before | eflomal | junk above 0.5 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in junk:
        areas = [roc_area(one["translation"], one[name]) for one in (ours, *others)]
        cells = [f"{area:.3f}" for area in areas] + [""] * (3 - len(areas))
        share = f"{100 * np.mean(ours[name] > 0.5):.1f} %"
        print(f"| {name} | {' | '.join(cells)} | {share} |", flush=True)
    share = 100 * np.mean(ours["translation"] > 0.5)
    print(f"\n{share:.1f} % of the translations score above 0.5")
    return ours


def scores_of(known: Known, pairs: list[WordPair]) -> Floats:
    """Return the sentence scores of pairs."""
    return np.array([pair.score for pair in known.align(pairs)])


def plot_pairs(path: str, scores: dict[str, Floats]) -> None:
    """Draw the share of pairs that score at most so much, by kind."""
    pyplot = drawing()
    figure, axes = pyplot.subplots(figsize=(5.2, 4.2), layout="constrained")
    shares = np.linspace(0, 1, 201)
    for number, (name, values) in enumerate(scores.items()):
        style = {"linewidth": 2, "color": "black"} if not number else {}
        axes.plot(np.quantile(values, shares), shares, label=name, **style)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="sentence score", ylabel="pairs up to it")
    axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


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


def drawing() -> Any:
    """Return matplotlib's drawing functions, for vector graphics."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "aligner"
    from matplotlib import pyplot

    return pyplot


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    of_links = ("--src", "--tgt", "--gold", "--plot")
    of_pairs = ("--held-out-src", "--held-out-tgt", "--other", "--pair-plot")
    for option in (*of_links, *of_pairs, "--eflomal-src", "--eflomal-tgt"):
        parser.add_argument(option)
    arguments = parser.parse_args()
    is_model = (arguments.model / META).is_file()
    known = (Aligner.load if is_model else load_prior)(arguments.model)
    if arguments.gold:
        judge_links(known, arguments)
    if arguments.held_out_src:
        pairs = read_words(arguments.held_out_src, arguments.held_out_tgt)
        pairs = [pair for pair in pairs if all(pair)]
        with TemporaryDirectory() as folder:
            priors = Path(folder, "priors")
            if arguments.eflomal_src:
                eflomal_priors(arguments.eflomal_src, arguments.eflomal_tgt, priors)
            junk = junk_of(pairs, arguments.other)
            scores = print_areas(known, pairs, junk, priors)
        if arguments.pair_plot:
            plot_pairs(arguments.pair_plot, scores)
        print(final_marks(pairs, list(known.align(pairs))))


def judge_links(known: Known, arguments: argparse.Namespace) -> None:
    """Print and draw how far the scores of links can be believed."""
    trial = read_words(arguments.src, arguments.tgt)
    gold = read_gold(arguments.gold, sentences=len(trial))
    for preset in ("balanced", "recall"):
        if isinstance(known, Prior):
            aligned = list(known.align(trial, preset))
        else:
            rule = stored_rule(known.model, preset)
            aligned = list(Aligner(known.model, rule=rule).align(trial))
        rows = reliability(*judged(aligned, gold))
        print_reliability(preset, rows)
    if arguments.plot:
        plot_reliability(arguments.plot, rows)


if __name__ == "__main__":
    main()
