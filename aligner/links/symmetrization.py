"""Join the links of two directions into one alignment, as Moses `symal` does.

`forward` holds the links of the model that predicts the target (there each target word
chooses at most one source word), `reverse` those of the opposite model; both are given
as (src, tgt). In Moses' training script these are GIZA's runs `e2f` and `f2e`, which
`symal` prints as `tgttosrc` and `srctotgt`.

The rules, in order:

1. Start from the intersection. A word is covered when a link holds it.
2. Grow (all methods with `grow`). Visit the links by target word, then by source word,
   smallest first. At each, look at its neighbours in a fixed order: along the target
   side back, along the source side back, target on, source on; with `diag` then the
   four diagonal ones, (tgt, src) offsets (-1, -1), (-1, +1), (+1, -1), (+1, +1). A
   neighbour that is in the union joins at once if its source word or its target word
   is not covered yet, and both are covered from then on. A link that joined is itself
   visited in the same sweep when it lies ahead of the link that brought it, otherwise
   in the next sweep; sweeps end when one adds nothing.
3. Final (`final`, `final-and`). Go through the links that only `forward` has, by target
   then source, afterwards those that only `reverse` has: each joins if its source word
   or its target word is uncovered (`final`), or if both are (`final-and`).

Visiting order matters, because each link that joins covers words for those after it.
Exchanging `forward` and `reverse` changes nothing up to step 2, which sees only their
intersection and union; step 3 favours `forward`. Exchanging the two *sides* (flipping
both alignments, symmetrizing, flipping back) is sure to change nothing for intersection
and union only: the others go by target word first. Nor do greedy results nest: `grow`
need not lie within `grow-diag`, nor `grow-diag-final-and` within `grow-diag-final`.
What always holds is intersection within `grow` and `grow-diag`, `grow-diag` within
both finals, everything within the union.

With directions that allow several links a word (a threshold's, not a model's best
choices) the same rules apply to the sets.
"""

from heapq import heapify, heappop, heappush
from typing import get_args

from aligner.links.alignment import Alignment, Link, flip
from aligner.terms import Symmetrization, check_term

METHODS = tuple(rule for rule in get_args(Symmetrization) if rule != "soft")

_STRAIGHT = ((-1, 0), (0, -1), (1, 0), (0, 1))  # (tgt, src)
_DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrize(forward: Alignment, reverse: Alignment, method: str) -> Alignment:
    """Join two directions' links by one of METHODS.

    Args:
        forward: Links (src, tgt) of the source-to-target model.
        reverse: Links of the target-to-source model, as (src, tgt) too.
        method: One of METHODS; the module's docstring states the rules.

    Raises:
        ConfigError: The method is not one of METHODS.
    """
    check_term("symmetrization", method, METHODS)
    if method == "intersection":
        return forward & reverse
    if method == "union":
        return forward | reverse
    growing = _Growing(flip(forward), flip(reverse))
    growing.grow(_STRAIGHT if method == "grow" else _STRAIGHT + _DIAGONAL)
    if method.endswith(("-final", "-final-and")):
        growing.finish(both_uncovered=method.endswith("-and"))
    return flip(growing.links)


class _Growing:
    """The links chosen so far and the words they cover, all as (tgt, src)."""

    def __init__(self, forward: Alignment, reverse: Alignment) -> None:
        self.forward, self.reverse = forward, reverse
        self.union = forward | reverse
        self.links = set(forward & reverse)
        self.covered_tgt = {tgt for tgt, _ in self.links}
        self.covered_src = {src for _, src in self.links}

    def add(self, link: Link) -> None:
        self.links.add(link)
        self.covered_tgt.add(link[0])
        self.covered_src.add(link[1])

    def grow(self, offsets: tuple[Link, ...]) -> None:
        # One visit a link is enough: a neighbour refused once stays refused, for
        # covered words stay covered. So a sweep visits only the links new to it.
        sweep = list(self.links)
        while sweep:
            heapify(sweep)
            behind: list[Link] = []
            while sweep:
                tgt, src = visited = heappop(sweep)
                for tgt_step, src_step in offsets:
                    link = (tgt + tgt_step, src + src_step)
                    if link in self.union and not (
                        link[0] in self.covered_tgt and link[1] in self.covered_src
                    ):
                        self.add(link)
                        if link > visited:
                            heappush(sweep, link)
                        else:
                            behind.append(link)
            sweep = behind

    def finish(self, *, both_uncovered: bool) -> None:
        enough = 2 if both_uncovered else 1
        for only in (self.forward - self.reverse, self.reverse - self.forward):
            for tgt, src in sorted(only - self.links):
                uncovered = (tgt not in self.covered_tgt) + (
                    src not in self.covered_src
                )
                if uncovered >= enough:
                    self.add((tgt, src))
