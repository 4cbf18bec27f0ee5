"""Draw a sentence pair with its links as an SVG picture.

For line 182 of the demo's test text, in the folder that it wrote:

    python docs/draw_alignment.py test.en test.de \
        test.norm+prior.soft.align 182 > alignment.svg
"""

import sys
from html import escape
from itertools import islice
from pathlib import Path

from aligner.links.formats import parse_pharaoh

LETTER, GAP, MARGIN = 9.6, 26.0, 20.0  # of a 16 px monospaced font, in px
TOP, BOTTOM, HEIGHT = 40.0, 150.0, 180.0


def centres(words: list[str], width: float) -> list[float]:
    """Return where the words of a centred row have their middle."""
    sizes = [len(word) * LETTER for word in words]
    left = (width - sum(sizes) - GAP * (len(words) - 1)) / 2
    middles = []
    for size in sizes:
        middles.append(left + size / 2)
        left += size + GAP
    return middles


def draw(src: list[str], tgt: list[str], links: frozenset[tuple[int, int]]) -> str:
    """Return the picture: source above, target below, a curve for each link."""
    rows = [sum(map(len, words)) * LETTER + GAP * len(words) for words in (src, tgt)]
    width = max(rows) + 2 * MARGIN
    above, below = centres(src, width), centres(tgt, width)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} '
        f'{HEIGHT:.0f}" width="{width:.0f}" font-family="monospace" font-size="16" '
        'text-anchor="middle">',
        f"<title>{escape(' '.join(src))} / {escape(' '.join(tgt))}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for i, j in sorted(links):
        start, end, middle = TOP + 10, BOTTOM - 18, (TOP + BOTTOM) / 2
        parts.append(
            f'<path d="M{above[i]:.1f} {start} C{above[i]:.1f} {middle} '
            f'{below[j]:.1f} {middle} {below[j]:.1f} {end}" fill="none" '
            'stroke="#2166ac" stroke-width="2"/>'
        )
    for words, middles, y in ((src, above, TOP), (tgt, below, BOTTOM)):
        for word, x in zip(words, middles, strict=True):
            parts.append(f'<text x="{x:.1f}" y="{y}">{escape(word)}</text>')
    return "\n".join([*parts, "</svg>"])


def main() -> None:
    """Draw the pair on the given line of three files."""
    *files, line = sys.argv[1:]
    chosen = []
    for name in files:
        with Path(name).open(encoding="utf-8") as file:
            chosen.append(next(islice(file, int(line) - 1, None)).rstrip("\n"))
    src, tgt, links = chosen
    print(draw(src.split(), tgt.split(), parse_pharaoh(links)))


if __name__ == "__main__":
    main()
