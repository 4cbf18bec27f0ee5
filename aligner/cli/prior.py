"""aligner prior: align parallel text by the statistical prior alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aligner.cli.console import resolve_device, say
from aligner.cli.link_lines import (
    LISTED_PROBLEMS,
    Places,
    Written,
    say_of_all,
    write_lines,
)
from aligner.cli.options import (
    DEVICE,
    ENCODER,
    OUT,
    PRESET,
    SCORES,
    SENTENCE_SCORES,
    SRC,
    TGT,
    of_links,
    of_output,
    of_text,
    within,
)
from aligner.cli.outputs import check_directory, check_inputs_are_kept, open_files
from aligner.cli.progress import AlignmentProgress, ShareProgress, show_pass
from aligner.cli.shards import (
    ReadingPlace,
    Shard,
    check_shareable,
    chunks_of_shard,
    parse_shard,
)
from aligner.errors import ConfigError, CorpusError
from aligner.ranges import COUNT, SHARE
from aligner.terms import Preset

if TYPE_CHECKING:
    from aligner.links.aligned_pair import AlignedPair
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder
    from aligner.pretrained.word_encoder import WordEncoder
    from aligner.prior.prior import Prior
    from aligner.prior.soft_links import TextLinks
    from aligner.text.numbered import NumberedBitext, WordPair

    Known = Prior | PriorWithEncoder  # what links are found by


def prior(
    src: Annotated[str, SRC],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    save: Annotated[
        Path | None,
        of_output(metavar="DIR", help="Keep what was learnt of the text, for --load."),
    ] = None,
    load: Annotated[
        Path | None,
        of_text(
            metavar="DIR",
            help="Learn nothing, align by what --save kept there, or by the prior of a "
            "model: any text, line by line, in bounded memory.",
        ),
    ] = None,
    scores: Annotated[bool, SCORES] = False,
    sentence_scores: Annotated[Path | None, SENTENCE_SCORES] = None,
    shard: Annotated[
        str | None,
        of_output(
            metavar="I/N",
            help="With --load, align only share I, from 1, of N, such as 2/10, into "
            "OUT.02.",
        ),
    ] = None,
    encoder: Annotated[str | None, ENCODER] = None,
    preset: Annotated[Preset, PRESET] = "balanced",
    threshold: Annotated[
        float | None,
        of_links(
            metavar="X",
            callback=within(SHARE),
            help="What a link's probability must exceed. Default: the preset's, what "
            "promises the best F of the text that was learnt from.",
        ),
    ] = None,
    max_words: Annotated[
        int,
        of_text(
            metavar="N",
            callback=within(COUNT),
            help="Words on a side; longer pairs stay unaligned. Default: 200.",
        ),
    ] = 200,
    device: Annotated[str, DEVICE] = "auto",
) -> None:
    """Align text by a statistical aligner estimated from it, without any network.

    It is what guides `aligner train` by default: hidden Markov models of words and of
    their beginnings, one each way, trained to agree.
    """
    if threshold is not None and preset != "balanced":
        raise ConfigError(f"--threshold: expected no --preset beside it, got {preset}")
    if shard and not load:
        raise ConfigError("--shard: expected --load, as all of a text is learnt from")
    if save and load:
        raise ConfigError("--save: expected no --load, as nothing is learnt then")
    part = parse_shard(shard) if shard else None
    places = Places.of(out, False, sentence_scores, scores, part)
    check_inputs_are_kept(places.files, src, tgt)
    if load:
        known = _load(load, encoder, device, src, tgt)
        _align_by(known, src, tgt, part, places, (preset, threshold), max_words)
    else:
        if save:
            check_directory(save)
        reads = None if encoder is None else _load_encoder(encoder, device)
        text, problems = _usable(_pairs(src, tgt), max_words)
        if not len(text):
            raise CorpusError(f"{src}: no usable sentence pairs")
        known, links = _learn(text, reads)
        chosen = _threshold(known, preset, threshold)
        if save:
            _save(known, save)
        _write(links, text, problems, places, chosen)


def _load_encoder(name: str, device: str) -> "WordEncoder":
    from aligner.pretrained.word_encoder import WordEncoder

    return WordEncoder.load(name, resolve_device(device))


def _load(
    directory: Path, encoder: str | None, device: str, src: str, tgt: str | None
) -> "Known":
    """Return a stored prior, with an encoder if one is given."""
    from aligner.prior.storage import load_prior
    from aligner.text.bitext import is_piped

    prior = load_prior(directory)
    if encoder is None:
        return prior
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder

    first = () if any(map(is_piped, (src, tgt or src))) else _pairs(src, tgt)
    return PriorWithEncoder.of(prior, directory, _load_encoder(encoder, device), first)


def _save(known: "Known", directory: Path) -> None:
    from aligner.prior.prior import Prior
    from aligner.prior.storage import save_prior

    if isinstance(known, Prior):
        save_prior(directory, known)
    else:
        known.save(directory)


def _learn(
    text: "NumberedBitext", encoder: "WordEncoder | None"
) -> tuple["Known", "TextLinks"]:
    """Estimate a prior from a text, and find the likely links there."""
    from aligner.links.matching import mean_share
    from aligner.prior.prior import estimate

    prior, links = estimate(text, partial(show_pass, "prior"), mean_share)
    if encoder is None:
        return prior, links
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder

    both = PriorWithEncoder.choose(prior, encoder, text)
    with ShareProgress("pairs read by the encoder") as progress:
        return both, both.soft_links(text, mean_share, progress)


def _align_by(
    known: "Known",
    src: str,
    tgt: str | None,
    part: Shard | None,
    places: Places,
    chosen: tuple[Preset, float | None],
    max_words: int,
) -> None:
    """Write the links that a stored prior finds in a text."""
    check_shareable(part, src, tgt)
    threshold = _threshold(known, *chosen)
    place = ReadingPlace(src, part)
    pairs = partial(_pairs, src, tgt, place.note)

    def align(some: Sequence["WordPair"]) -> Iterator["AlignedPair"]:
        return _align(known, some, threshold, max_words)

    with open_files(places.files) as files:
        progress = AlignmentProgress(place.share)
        chunks = chunks_of_shard(pairs, part)
        written = write_lines(align, chunks, places.opened(files), progress, say)
    say_of_all([written])


def _write(
    links: "TextLinks",
    text: "NumberedBitext",
    problems: Sequence[str],
    places: Places,
    threshold: float,
) -> None:
    """Write the links of a text whose pairs are all there, but for those with problems.

    Those give empty lines.
    """
    from aligner.links.aligned_pair import AlignedPair

    found = zip(links, text, strict=True)
    with open_files(places.files) as files:
        lines = places.opened(files)
        for problem in problems:
            if problem:
                lines.write(AlignedPair(frozenset(), {}, problem=problem), ((), ()))
            else:
                of_pair, words = next(found)
                lines.write(of_pair.aligned(words, threshold), words)
    say_of_all([Written(len(problems), sum(map(bool, problems)), [])])


def _pairs(
    src: str, tgt: str | None, listen: Callable[[int], None] = lambda position: None
) -> Iterator["WordPair"]:
    """Yield the words of a text's pairs, which stand between spaces."""
    from aligner.text.bitext import read_bitext
    from aligner.text.words import split_words

    for src_line, tgt_line in read_bitext(src, tgt, listen=listen):
        yield split_words(src_line), split_words(tgt_line)


def _usable(
    pairs: Iterable["WordPair"], max_words: int
) -> tuple["NumberedBitext", list[str]]:
    """Return the pairs to learn from, and what each one of all lacks, if anything."""
    from aligner.text.numbered import Numbering

    numbering, problems, listed = Numbering(), list[str](), 0
    for number, pair in enumerate(pairs, start=1):
        problems.append(_problem(pair, max_words))
        if not problems[-1]:
            numbering.add(*pair)
            continue
        listed += 1
        if listed <= LISTED_PROBLEMS:
            say(f"line {number}: not aligned: {problems[-1]}")
    return numbering.finish(), problems


def _align(
    known: "Known", pairs: Sequence["WordPair"], threshold: float, max_words: int
) -> Iterator["AlignedPair"]:
    """Yield what a prior finds of each of some pairs."""
    from aligner.links.aligned_pair import AlignedPair
    from aligner.links.matching import mean_share
    from aligner.text.numbered import NumberedBitext

    problems = [_problem(pair, max_words) for pair in pairs]
    both = list(zip(pairs, problems, strict=True))
    usable = NumberedBitext.of(pair for pair, problem in both if not problem)
    links = iter(known.soft_links(usable, mean_share))
    for pair, problem in both:
        if problem:
            yield AlignedPair(frozenset(), {}, problem=problem)
        else:
            yield next(links).aligned(pair, threshold)


def _problem(pair: "WordPair", max_words: int) -> str:
    """Return why a pair cannot be aligned, or an empty string."""
    for name, words in zip(("source", "target"), pair, strict=True):
        if not words:
            return f"the {name} side is empty"
        if len(words) > max_words:
            return (
                f"the {name} side has {len(words)} words, more than --max-words "
                f"{max_words}"
            )
    return ""


def _threshold(known: "Known", preset: Preset, threshold: float | None) -> float:
    """Return the threshold that is asked for, or say the one of the preset."""
    if threshold is not None:
        return threshold
    chosen = known.threshold(preset)
    say(f"threshold: {chosen:g}")
    return chosen
