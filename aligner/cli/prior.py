"""aligner prior: align parallel text by the statistical prior alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from aligner.cli.console import resolve_device, say
from aligner.cli.link_lines import (
    LISTED_PROBLEMS,
    Places,
    Style,
    Written,
    say_of_all,
    write_lines,
)
from aligner.cli.options import (
    COVER,
    DEVICE,
    ENCODER,
    FORMAT,
    OFFSETS,
    OUT,
    PRESET,
    SCORES,
    SENTENCE_SCORES,
    SRC,
    TGT,
    TOKENIZE,
    WORDS,
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
from aligner.terms import Cover, LinkFormat, Offsets, Preset

if TYPE_CHECKING:
    from aligner.links.aligned_pair import AlignedPair
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder
    from aligner.pretrained.word_encoder import WordEncoder
    from aligner.prior.prior import Prior
    from aligner.prior.soft_links import TextLinks
    from aligner.text.kept import KeptSentences, SentencePair
    from aligner.text.numbered import NumberedBitext, WordPair
    from aligner.text.tokenizers import Languages

    Known = Prior | PriorWithEncoder  # what links are found by
    Rule = tuple[float, Cover | None]  # the threshold; the side that is covered


def prior(
    src: Annotated[str, SRC],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
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
    format: Annotated[LinkFormat, FORMAT] = "pharaoh",
    offsets: Annotated[Offsets | None, OFFSETS] = None,
    words: Annotated[Path | None, WORDS] = None,
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
    cover: Annotated[Cover | None, COVER] = None,
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
    from aligner.prior.storage import load_prior
    from aligner.text.tokenizers import agreed_languages

    if threshold is not None and preset != "balanced":
        raise ConfigError(f"--threshold: expected no --preset beside it, got {preset}")
    if shard and not load:
        raise ConfigError("--shard: expected --load, as all of a text is learnt from")
    if save and load:
        raise ConfigError("--save: expected no --load, as nothing is learnt then")
    part = parse_shard(shard) if shard else None
    style = Style(format, offsets, scores)
    style.check()
    stored = load_prior(load) if load else None
    text = Text.of(
        src, tgt, agreed_languages(stored.tokenize if stored else None, tokenize, load)
    )
    places = Places.of(out, text.is_raw, sentence_scores, words, style, part)
    check_inputs_are_kept(places.files, src, tgt)
    if load and stored:
        known = _with_encoder(load, stored, encoder, device, text)
        _align_by(known, text, part, places, (preset, threshold, cover), max_words)
        return
    if save:
        check_directory(save)
    reads = None if encoder is None else _load_encoder(encoder, device)
    usable, kept = _usable(
        text, max_words, needs_lines=text.is_raw or format == "jsonl"
    )
    if not len(usable):
        raise CorpusError(f"{src}: no usable sentence pairs")
    known, links = _learn(usable, reads, text.languages, covers=cover is not None)
    chosen = _threshold(known, preset, threshold)
    if save:
        _save(known, save)
    _write(links, usable, kept, places, (chosen, cover))


class Text(NamedTuple):
    """A text to be read, and the languages that cut it, if it is raw."""

    src: str
    tgt: str | None
    languages: "Languages | None"

    @property
    def is_raw(self) -> bool:
        """Whether words do not stand between spaces."""
        return self.languages is not None

    @classmethod
    def of(cls, src: str, tgt: str | None, languages: "Languages | None") -> "Text":
        """Return a text with the segmenters that are there for its languages."""
        from aligner.text.tokenizers import resolved

        if languages is not None:
            languages = resolved(languages[0]), resolved(languages[1])
        return cls(src, tgt, languages)

    def pairs(
        self, listen: Callable[[int], None] = lambda position: None
    ) -> Iterator["SentencePair"]:
        """Yield the words of the pairs, with their places."""
        from aligner.text.bitext import read_bitext
        from aligner.text.tokenizers import word_tokenizers

        src_words, tgt_words = word_tokenizers(self.languages)
        for src_line, tgt_line in read_bitext(self.src, self.tgt, listen=listen):
            yield src_words(src_line), tgt_words(tgt_line)


class Kept(NamedTuple):
    """What is left to know of all pairs of a text that is learnt from.

    Attributes:
        problems: what each pair lacks, if anything.
        sentences: the pairs as they were read, if they are to be written.
    """

    problems: list[str]
    sentences: "KeptSentences | None"


def _load_encoder(name: str, device: str) -> "WordEncoder":
    from aligner.pretrained.word_encoder import WordEncoder

    return WordEncoder.load(name, resolve_device(device))


def _with_encoder(
    directory: Path, prior: "Prior", encoder: str | None, device: str, text: Text
) -> "Known":
    """Return a stored prior, with an encoder if one is given."""
    from aligner.text.bitext import first_piped

    if encoder is None:
        return prior
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder

    first = () if first_piped(text.src, text.tgt) else text.pairs()
    return PriorWithEncoder.of(prior, directory, _load_encoder(encoder, device), first)


def _save(known: "Known", directory: Path) -> None:
    from aligner.prior.prior import Prior
    from aligner.prior.storage import save_prior

    if isinstance(known, Prior):
        save_prior(directory, known)
    else:
        known.save(directory)


def _learn(
    text: "NumberedBitext",
    encoder: "WordEncoder | None",
    languages: "Languages | None",
    *,
    covers: bool,
) -> tuple["Known", "TextLinks"]:
    """Estimate a prior from a text, and find the likely links there."""
    from aligner.links.matching import mean_share
    from aligner.prior.prior import estimate

    prior, links = estimate(
        text, partial(show_pass, "prior"), mean_share, covers=covers
    )
    prior = replace(prior, tokenize=languages)
    if encoder is None:
        return prior, replace(links, scores=prior.pair_scores(text))
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder

    both = PriorWithEncoder.choose(prior, encoder, text)
    with ShareProgress("pairs read by the encoder") as progress:
        return both, both.soft_links(text, mean_share, progress, covers=covers)


def _align_by(
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
    rule = _threshold(known, preset, threshold), cover
    place = ReadingPlace(text.src, part)
    pairs = partial(text.pairs, place.note)

    def align(some: Sequence["WordPair"]) -> Iterator["AlignedPair"]:
        return _align(known, some, rule, max_words)

    with open_files(places.files) as files:
        progress = AlignmentProgress(place.share)
        chunks = chunks_of_shard(pairs, part)
        written = write_lines(align, chunks, places.opened(files), progress, say)
    say_of_all([written])


def _write(
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


def _usable(
    text: Text, max_words: int, *, needs_lines: bool
) -> tuple["NumberedBitext", Kept]:
    """Return the pairs to learn from, and what is left to know of all."""
    from aligner.text.kept import KeptSentences
    from aligner.text.numbered import Numbering

    numbering, problems, listed = Numbering(), list[str](), 0
    sentences = KeptSentences() if needs_lines else None
    for number, pair in enumerate(text.pairs(), start=1):
        if sentences:
            sentences.add(*pair)
        problems.append(_problem(pair, max_words))
        if not problems[-1]:
            numbering.add(*pair)
            continue
        listed += 1
        if listed <= LISTED_PROBLEMS:
            say(f"line {number}: not aligned: {problems[-1]}")
    return numbering.finish(), Kept(problems, sentences)


def _align(
    known: "Known", pairs: Sequence["WordPair"], rule: "Rule", max_words: int
) -> Iterator["AlignedPair"]:
    """Yield what a prior finds of each of some pairs."""
    from aligner.links.aligned_pair import AlignedPair
    from aligner.links.matching import mean_share
    from aligner.prior.soft_links import aligned_pairs
    from aligner.text.numbered import NumberedBitext

    problems = [_problem(pair, max_words) for pair in pairs]
    usable = NumberedBitext.of(
        pair for pair, problem in zip(pairs, problems, strict=True) if not problem
    )
    links = known.soft_links(usable, mean_share, covers=rule[1] is not None)
    found = aligned_pairs(usable, links, *rule)
    for problem in problems:
        if problem:
            yield AlignedPair(frozenset(), {}, problem=problem)
        else:
            yield next(found)


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
