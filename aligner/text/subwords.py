"""Subwords: sentencepiece pieces in one id space, each knowing its word.

Ids 0-5 are the specials below, then come the pieces. With separate vocabularies the
target's pieces follow the source's. Every word is encoded by itself, so no piece spans
two words, whatever characters they hold.
"""

import functools
import io
import itertools
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sentencepiece

from aligner.errors import ConfigError, CorpusError, ModelError
from aligner.ranges import Range
from aligner.terms import Side
from aligner.text.ragged import RaggedArray
from aligner.text.words import canonical

Algorithm = Literal["unigram", "bpe"]
IntArray = npt.NDArray[np.int32]

PAD, UNK, BOS, EOS, TO_SRC, TO_TGT = range(6)
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>", "<to_src>", "<to_tgt>")
UNKNOWN = "⁇"  # what decoding shows for UNK

_WORD_START = "\u2581"  # sentencepiece's mark for the space before a word
_VOCABULARY = Range(16, 1_000_000, whole=True)
_LONGEST_TRAINING_WORD = 100  # characters; sentencepiece's training is not linear
_LONGEST_PIECE = 16  # characters, as in sentencepiece
_CANDIDATE_WORDS = 100_000
_CANDIDATES = 200_000
_PADDED_NAME = 200
_CACHED_WORDS = 200_000
# Characters that sentencepiece's training file cannot hold, or rejects with their word.
_UNTRAINABLE = dict.fromkeys([*range(32), 0x2585])


def tag(into: Side, *, both: bool = True) -> int:
    """Return what a decoder is fed first: the side that it is to write.

    A model of one direction knows the target alone, and is fed BOS.
    """
    if not both:
        return BOS
    return TO_TGT if into == "tgt" else TO_SRC


class Subwords:
    """Turns words into piece ids and back.

    Attributes:
        joint: whether both sides share one vocabulary.
        lowercase: whether words are lower-cased before they are encoded.
    """

    def __init__(self, models: Sequence[bytes], *, lowercase: bool = False) -> None:
        """Take one serialised sentencepiece model (joint), or source's and target's.

        Raises:
            ModelError: a model is damaged or lacks the specials.
        """
        self.joint = len(models) == 1
        self.lowercase = lowercase
        self._models = tuple(models)
        self._processors = [_processor(model) for model in models]
        self._src_size: int = self._processors[0].get_piece_size()
        self._word_ids = functools.lru_cache(_CACHED_WORDS)(self._encode_word)

    @classmethod
    def train(
        cls,
        src: Iterable[Sequence[str]],
        tgt: Iterable[Sequence[str]],
        *,
        vocab_size: int,
        algorithm: Algorithm = "unigram",
        joint: bool = True,
        lowercase: bool = False,
    ) -> "Subwords":
        """Learn a vocabulary from the words of both sides.

        Single characters get at most half of the vocabulary: of a larger alphabet the
        rarest are UNK. A text too small for `vocab_size` gives a smaller vocabulary.

        Args:
            src: the source sentences, each a sequence of words.
            tgt: the target sentences.
            vocab_size: pieces and specials, of each vocabulary where not `joint`.
            algorithm: how sentencepiece chooses pieces.
            joint: share one vocabulary, or give each side its own.
            lowercase: lower-case the words, here and whenever they are encoded.

        Raises:
            ConfigError: `vocab_size` is too small for any text, or too large.
            CorpusError: there are no words.
        """
        return cls.from_counts(
            *(Counter(itertools.chain.from_iterable(side)) for side in (src, tgt)),
            vocab_size=vocab_size,
            algorithm=algorithm,
            joint=joint,
            lowercase=lowercase,
        )

    @classmethod
    def from_counts(
        cls,
        src: Mapping[str, int],
        tgt: Mapping[str, int],
        *,
        vocab_size: int,
        algorithm: Algorithm = "unigram",
        joint: bool = True,
        lowercase: bool = False,
    ) -> "Subwords":
        """Learn a vocabulary as `train` does, from how often each word occurs.

        The words stand in the order in which they come in the text: where too many are
        equally frequent, the first ones count.
        """
        _VOCABULARY.check("vocab_size", vocab_size)
        texts = [(src, tgt)] if joint else [(src,), (tgt,)]
        counts = [_trainable_words(sides, lowercase) for sides in texts]
        models = [_train_model(words, vocab_size, algorithm) for words in counts]
        return cls(models, lowercase=lowercase)

    @classmethod
    def load(
        cls, directory: Path, *, joint: bool = True, lowercase: bool = False
    ) -> "Subwords":
        """Load what `save` wrote: one vocabulary if joint, or each side's own.

        Raises:
            ModelError: a file is missing, unreadable, damaged or foreign.
        """
        models = []
        for name in _names(joint):
            path = directory / name
            try:
                models.append(path.read_bytes())
                _check_form(_processor(models[-1]))
            except (OSError, ModelError) as error:
                reason = getattr(error, "strerror", None) or error
                raise ModelError(f"{path}: {reason}") from None
        return cls(models, lowercase=lowercase)

    def save(self, directory: Path) -> None:
        """Write subwords.model, or subwords.src.model and subwords.tgt.model."""
        for name, model in zip(_names(self.joint), self._models, strict=True):
            (directory / name).write_bytes(model)

    @property
    def vocab_size(self) -> int:
        """The size of the whole id space: specials and all pieces."""
        if self.joint:
            return self._src_size
        tgt_size: int = self._processors[1].get_piece_size()
        return self._src_size + tgt_size - len(SPECIALS)

    def encode(self, words: Sequence[str], side: Side) -> tuple[IntArray, IntArray]:
        """Encode a sentence, without BOS, EOS or tag.

        Returns:
            The piece ids, and for each piece the index of its word: two arrays of the
            same length. Every word has at least one piece, UNK if nothing else.
        """
        pieces = [self._word_ids(word, side) for word in words]
        ids = np.fromiter(itertools.chain.from_iterable(pieces), dtype=np.int32)
        lengths = np.array([len(p) for p in pieces], dtype=np.intp)
        return ids, np.repeat(np.arange(len(words), dtype=np.int32), lengths)

    def table(self, words: Iterable[str], side: Side) -> RaggedArray:
        """Return the piece ids of each word, as those of a sentence of its own."""
        ids, ends = array("i"), array("q", [0])
        for word in words:
            ids.extend(self._encode_word(word, side))
            ends.append(len(ids))
        return RaggedArray(np.array(ids, np.int32), np.array(ends, np.int64))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Join pieces to words; specials are dropped, UNK is shown as `⁇`."""
        text = "".join(self._piece(int(i)) for i in ids)
        return [word for word in text.split(_WORD_START) if word]

    def _encode_word(self, word: str, side: Side) -> tuple[int, ...]:
        text = _normalised(word, self.lowercase)
        if self.joint or side == "src":
            ids = self._processors[0].encode(text)
        else:
            shift = self._src_size - len(SPECIALS)
            ids = self._processors[1].encode(text)
            ids = [i + shift if i >= len(SPECIALS) else i for i in ids]
        return tuple(ids) or (UNK,)

    def _piece(self, i: int) -> str:
        if i < len(SPECIALS):
            return UNKNOWN if i == UNK else ""
        if i < self._src_size:
            piece: str = self._processors[0].id_to_piece(i)
        else:
            local = i - self._src_size + len(SPECIALS)
            piece = self._processors[1].id_to_piece(local)
        return piece


def _names(joint: bool) -> list[str]:
    if joint:
        return ["subwords.model"]
    return ["subwords.src.model", "subwords.tgt.model"]


def _normalised(word: str, lowercase: bool) -> str:
    """Return one form of all canonically equal words, in lower case if so wished.

    The mark for word starts is kept out of words, and lone surrogates out of UTF-8.
    """
    word = canonical(word).replace(_WORD_START, "_")
    word = word.encode("utf-8", "replace").decode("utf-8")
    return canonical(word.lower()) if lowercase else word


def _trainable_words(
    sides: Iterable[Mapping[str, int]], lowercase: bool
) -> Counter[str]:
    raw: Counter[str] = Counter()
    for side in sides:
        raw.update(side)
    counts: Counter[str] = Counter()
    for word, count in raw.items():
        text = _without(_normalised(word, lowercase), _UNTRAINABLE)
        for start in range(0, len(text), _LONGEST_TRAINING_WORD):
            counts[text[start : start + _LONGEST_TRAINING_WORD]] += count
    return counts


def _without(word: str, removed: Mapping[int, int | None]) -> str:
    """Return a word without some characters, in form NFC all the same.

    What stood apart may join then, to a character that is to be removed as well.
    """
    while (shorter := canonical(word.translate(removed))) != word:
        word = shorter
    return word


def _restricted(words: Counter[str], alphabet_size: int) -> Counter[str]:
    """Remove all but the most frequent characters from the words."""
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    if len(characters) <= alphabet_size:
        return words
    # Ties are broken by code point: the same text gives the same alphabet.
    ranked = sorted(characters, key=lambda c: (-characters[c], c))
    removed = dict.fromkeys(map(ord, ranked[alphabet_size:]))
    restricted: Counter[str] = Counter()
    for word, count in words.items():
        restricted[_without(word, removed)] += count
    del restricted[""]
    return restricted


def _train_model(words: Counter[str], vocab_size: int, algorithm: Algorithm) -> bytes:
    if not words:
        raise CorpusError("expected text to learn subwords from, got no words")
    words = _restricted(words, (vocab_size - len(SPECIALS)) // 2)
    model = io.BytesIO()
    # The text alone decides the model's bytes: the words are sorted, the number of
    # threads is fixed, and the folder's name, which sentencepiece stores, is blanked.
    with tempfile.TemporaryDirectory() as name:
        directory = name.ljust(_PADDED_NAME, "/")
        _write_counts(f"{directory}/words", sorted(words.items()))
        options: dict[str, Any] = {
            "input": f"{directory}/words",
            "input_format": "tsv",
            "model_writer": model,
            "model_type": algorithm,
            "vocab_size": vocab_size,
            "hard_vocab_limit": False,
            "character_coverage": 1.0,
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
            "max_sentencepiece_length": _LONGEST_PIECE,
            "pad_id": PAD,
            "unk_id": UNK,
            "bos_id": BOS,
            "eos_id": EOS,
            "control_symbols": list(SPECIALS[TO_SRC:]),
            "num_threads": 4,
            "minloglevel": 3,
        }
        if algorithm == "unigram":
            _write_counts(f"{directory}/candidates", _candidates(words))
            options["seed_sentencepieces_file"] = f"{directory}/candidates"
        try:
            sentencepiece.SentencePieceTrainer.train(**options)
        except (RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"vocab_size {vocab_size}: {reason}") from None
    return model.getvalue().replace(directory.encode(), b"." * len(directory.encode()))


def _write_counts(path: str, counts: Iterable[tuple[str, int]]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as table:
        table.writelines(f"{text}\t{count}\n" for text, count in counts)


def _candidates(words: Counter[str]) -> list[tuple[str, int]]:
    """Count the substrings that unigram training begins with and prunes.

    sentencepiece's own candidates miss every string that only ever ends a word, so
    that "▁nous" falls apart into "▁nou" and "s" where text is already split to words.
    """
    counts: Counter[str] = Counter()
    for word, count in words.most_common(_CANDIDATE_WORDS):
        marked = _WORD_START + word
        for start in range(len(marked)):
            longest = min(start + _LONGEST_PIECE, len(marked))
            for end in range(start + 2, longest + 1):
                counts[marked[start:end]] += count
    # With rarer ones, sentencepiece's pruning of a small text ends in single letters.
    frequent = [(piece, n) for piece, n in counts.items() if n > 2]
    frequent.sort(key=lambda item: (-item[1] * len(item[0]), item[0]))
    return frequent[:_CANDIDATES]


def _check_form(processor: sentencepiece.SentencePieceProcessor) -> None:
    pieces = map(processor.id_to_piece, range(processor.get_piece_size()))
    if other := next((piece for piece in pieces if canonical(piece) != piece), None):
        raise ModelError(
            f"expected subwords in Unicode's form NFC, got {other!r}: learnt by an "
            "earlier version, to be trained anew"
        )


def _processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = list(map(processor.id_to_piece, range(processor.get_piece_size())))
    except (RuntimeError, OSError):
        raise ModelError("expected a sentencepiece model, got damaged data") from None
    first = pieces[: len(SPECIALS)]
    if first != list(SPECIALS):
        raise ModelError(
            f"expected a vocabulary that begins {' '.join(SPECIALS)}, "
            f"got {' '.join(first) or 'an empty one'}"
        )
    return processor
