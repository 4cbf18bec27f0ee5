"""aligner prior: align parallel text by the statistical prior alone."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aligner.cli.console import resolve_device
from aligner.cli.link_lines import Places, Style
from aligner.cli.options import (
    COVER,
    DEVICE,
    DICTIONARY,
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
from aligner.cli.outputs import check_directory, check_inputs_are_kept
from aligner.cli.prior_links import align_by, threshold_for, write_links
from aligner.cli.progress import ShareProgress, show_pass
from aligner.cli.shards import parse_shard
from aligner.cli.usable_text import Text, usable_pairs
from aligner.errors import ConfigError, CorpusError
from aligner.ranges import COUNT, SHARE
from aligner.terms import Cover, LinkFormat, Offsets, Preset

if TYPE_CHECKING:
    from aligner.cli.prior_links import Known
    from aligner.pretrained.word_encoder import WordEncoder
    from aligner.prior.prior import Prior
    from aligner.prior.soft_links import TextLinks
    from aligner.text.numbered import NumberedBitext
    from aligner.text.tokenizers import Languages


def prior(
    src: Annotated[str, SRC],
    tgt: Annotated[str | None, TGT] = None,
    out: Annotated[Path | None, OUT] = None,
    tokenize: Annotated[tuple[str, str] | None, TOKENIZE] = None,
    dictionary: Annotated[str | None, DICTIONARY] = None,
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
    from aligner.text.bitext import check_read_once
    from aligner.text.dictionary import read_dictionary
    from aligner.text.tokenizers import agreed_languages

    if threshold is not None and preset != "balanced":
        raise ConfigError(f"--threshold: expected no --preset beside it, got {preset}")
    if shard and not load:
        raise ConfigError("--shard: expected --load, as all of a text is learnt from")
    if save and load:
        raise ConfigError("--save: expected no --load, as nothing is learnt then")
    if dictionary and load:
        raise ConfigError("--dictionary: expected no --load, as nothing is learnt then")
    check_read_once(src, tgt, dictionary)
    part = parse_shard(shard) if shard else None
    style = Style(format, offsets, scores)
    style.check()
    stored = load_prior(load) if load else None
    text = Text.of(
        src, tgt, agreed_languages(stored.tokenize if stored else None, tokenize, load)
    )
    places = Places.of(out, text.is_raw, sentence_scores, words, style, part)
    check_inputs_are_kept(places.files, src, tgt, dictionary)
    if load and stored:
        known = _with_encoder(load, stored, encoder, device, text)
        align_by(known, text, part, places, (preset, threshold, cover), max_words)
        return
    if save:
        _check_place(save)
    entries = read_dictionary(dictionary, text.languages) if dictionary else None
    reads = None if encoder is None else _load_encoder(encoder, device)
    needs_lines = text.is_raw or format == "jsonl"
    usable, kept = usable_pairs(text, max_words, needs_lines=needs_lines)
    if not len(usable):
        raise CorpusError(f"{src}: no usable sentence pairs")
    covers = cover is not None
    known, links = _learn(usable, entries, reads, text.languages, covers=covers)
    chosen = threshold_for(known, preset, threshold)
    if save:
        from aligner.pretrained.prior_with_encoder import save_known

        save_known(save, known)
    write_links(links, usable, kept, places, (chosen, cover))


def _check_place(directory: Path) -> None:
    """Check that a prior can be kept in a directory.

    Raises:
        ConfigError: it is none, or a model's, whose prior would be replaced.
    """
    from aligner.nmt.checkpoint import CONFIG

    check_directory(directory)
    if (directory / CONFIG).is_file():
        raise ConfigError(f"--save {directory}: expected no model there, got one")


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


def _learn(
    text: "NumberedBitext",
    entries: "NumberedBitext | None",
    encoder: "WordEncoder | None",
    languages: "Languages | None",
    *,
    covers: bool,
) -> tuple["Known", "TextLinks"]:
    """Estimate a prior from a text, and find the likely links there."""
    from aligner.prior.prior import estimate

    show = partial(show_pass, "prior")
    prior, links = estimate(text, show, covers=covers, dictionary=entries)
    prior = replace(prior, tokenize=languages)
    if encoder is None:
        return prior, replace(links, scores=prior.pair_scores(text))
    from aligner.pretrained.prior_with_encoder import PriorWithEncoder

    both = PriorWithEncoder.choose(prior, encoder, text)
    with ShareProgress("pairs read by the encoder") as progress:
        return both, both.soft_links(text, progress, covers=covers)
