"""The lines of links that a prior finds in a text."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aligner.cli.console import say
from aligner.cli.link_lines import Places, Written, say_of_all, write_lines
from aligner.cli.outputs import open_files
from aligner.cli.progress import AlignmentProgress
from aligner.cli.shards import ReadingPlace, Shard, check_shareable, chunks_of_shard
from aligner.cli.usable_text import Kept, Text, problem_of
from aligner.terms import Cover, Preset

if TYPE_CHECKING:
    from aligner.links.aligned_pair import AlignedPair
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder
    from aligner.prior.prior import Prior
    from aligner.prior.soft_links import TextLinks
    from aligner.text.numbered import NumberedBitext, WordPair

    Known = Prior | PriorWithEncoder  # what links are found by
    Rule = tuple[float, Cover | None]  # the threshold; the side that is covered


def align_by(
    known: "Known",
    text: Text,
    part: Shard | None,
    places: Places,
    chosen: tuple[Preset, float | None, Cover | None],
    max_words: int,
) -> None:
    """Write the links that a stored prior finds in a text."""
    check_shareable(part, text.src, text.tgt)
    preset, threshold, cover = chosen
    rule = threshold_for(known, preset, threshold), cover
    place = ReadingPlace(text.src, part)
    pairs = partial(text.pairs, place.note)

    def align(some: Sequence["WordPair"]) -> Iterator["AlignedPair"]:
        return _align(known, some, rule, max_words)

    with open_files(places.files) as files:
        progress = AlignmentProgress(place.share)
        chunks = chunks_of_shard(pairs, part)
        written = write_lines(align, chunks, places.opened(files), progress, say)
    say_of_all([written])


def write_links(
    links: "TextLinks",
    text: "NumberedBitext",
    kept: Kept,
    places: Places,
    rule: "Rule",
) -> None:
    """Write the links of a text whose pairs are all there, but for those with problems.

    Those have none.
    """
    from aligner.links.aligned_pair import AlignedPair
    from aligner.prior.soft_links import aligned_pairs

    problems = kept.problems
    found = zip(aligned_pairs(text, links, *rule), text, strict=True)
    read = kept.sentences.finish() if kept.sentences else None
    with open_files(places.files) as files:
        lines = places.opened(files)
        for number, problem in enumerate(problems, start=1):
            words: WordPair = ((), ())
            aligned = AlignedPair(frozenset(), {}, problem=problem)
            if not problem:
                aligned, words = next(found)
            lines.write(aligned, next(read) if read else words, number)
    say_of_all([Written(len(problems), sum(map(bool, problems)), [])])


def _align(
    known: "Known", pairs: Sequence["WordPair"], rule: "Rule", max_words: int
) -> Iterator["AlignedPair"]:
    """Yield what a prior finds of each of some pairs."""
    from aligner.links.aligned_pair import AlignedPair
    from aligner.prior.soft_links import aligned_pairs
    from aligner.text.numbered import NumberedBitext

    problems = [problem_of(pair, max_words) for pair in pairs]
    usable = NumberedBitext.of(
        pair for pair, problem in zip(pairs, problems, strict=True) if not problem
    )
    links = known.soft_links(usable, covers=rule[1] is not None)
    found = aligned_pairs(usable, links, *rule)
    for problem in problems:
        if problem:
            yield AlignedPair(frozenset(), {}, problem=problem)
        else:
            yield next(found)


def threshold_for(known: "Known", preset: Preset, threshold: float | None) -> float:
    """Return the threshold that is asked for, or say the one of the preset."""
    if threshold is not None:
        return threshold
    chosen = known.threshold(preset)
    say(f"threshold: {chosen:g}")
    return chosen
