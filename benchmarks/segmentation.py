"""How fast raw text is cut into words, and how like another segmentation.

    pip install '.[segment]'
    python benchmarks/segmentation.py th=my.th zh=my.zh
    python benchmarks/segmentation.py --joined ja=dev.ja

Each text is a file of lines, cut as `--tokenize LANGUAGE` does, over and over until a
second has passed. With `--joined`, its lines are words between spaces: they are joined
before, and how well they are found again is measured too.

Prints a table in Markdown: thousand characters a second, and the F1 of words.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, cycle, pairwise
from pathlib import Path

from aligner.text.tokenizers import WordTokenizer, word_tokenizer

SECONDS = 1.0


def speed(cut: WordTokenizer, lines: Sequence[str]) -> float:
    """Return how many characters a second are cut into words."""
    cut(lines[0])  # what is loaded first is no speed
    again, characters = cycle(lines), 0
    started = time.perf_counter()
    while (spent := time.perf_counter() - started) < SECONDS:
        line = next(again)
        cut(line)
        characters += len(line)
    return characters / spent


def f1(cut: WordTokenizer, sentences: Sequence[Sequence[str]]) -> float:
    """Return the harmonic mean of precision and recall of words, by their places."""
    right = found = expected = 0
    for words in sentences:
        places = set(pairwise([0, *accumulate(map(len, words))]))
        spans = set(cut("".join(words)).spans)
        right += len(places & spans)
        found, expected = found + len(spans), expected + len(places)
    return 2 * right / (found + expected)


def rows(texts: Sequence[str], joined: bool) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each text's row."""
    for text in texts:
        language, _, name = text.partition("=")
        lines = [line for line in Path(name).read_text("utf-8").splitlines() if line]
        cut, sentences = word_tokenizer(language), [line.split() for line in lines]
        if joined:
            lines = ["".join(words) for words in sentences]
        like = f"{100 * f1(cut, sentences):.1f}" if joined else ""
        yield language, f"{speed(cut, lines) / 1000:,.0f}", like


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+", metavar="LANGUAGE=FILE")
    parser.add_argument("--joined", action="store_true", help="words between spaces")
    arguments = parser.parse_args()
    print("| language | thousand characters a second | F1 |\n| --- | ---: | ---: |")
    for cells in rows(arguments.texts, arguments.joined):
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
