"""Cut the words of sentences into the pieces that a pretrained encoder knows."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aligner.pretrained.loading import check_token_ids, special_ids, token_ids

Ints: TypeAlias = NDArray[np.int64]
Sentence: TypeAlias = Sequence[str]

MOST_CHARACTERS, MOST_PIECES = 100, 16  # of a word that are read
KNOWN_WORDS = 1 << 18  # whose pieces are remembered


class Pieces(NamedTuple):
    """A sentence as pieces.

    Attributes:
        ids: the pieces of all words, end to end.
        starts: where each word's pieces begin.
    """

    ids: list[int]
    starts: Ints


class WordPieces:
    """A tokenizer of `transformers` that is given words, each by itself.

    Attributes:
        cls: the token in front of each sequence.
        sep: the one behind it.
    """

    def __init__(self, name: str, tokenizer: Any, vocabulary: int) -> None:
        """Set up a tokenizer.

        Args:
            name: the encoder's, for messages.
            tokenizer: its own.
            vocabulary: how many tokens the encoder knows.

        Raises:
            ModelError: the tokenizer is no encoder's, or another's.
        """
        self.cls, self.sep = special_ids(name, tokenizer)
        unknown = tokenizer.unk_token_id
        self._unknown: int = self.sep if unknown is None else unknown
        check_token_ids(name, max(self.cls, self.sep, self._unknown), vocabulary)
        self._name, self._tokenizer, self._vocabulary = name, tokenizer, vocabulary
        self._known: dict[str, list[int]] = {}
        special = set(tokenizer.all_special_ids) - {self._unknown}
        self._is_silent = dict.fromkeys(special, True)

    def of(self, sentences: Sequence[Sentence]) -> list[Pieces]:
        """Return the pieces of sentences' words, at least one of each word.

        Raises:
            ModelError: the tokenizer belongs to another model.
        """
        self._learn({word for words in sentences for word in words})
        return [self._cut(words) for words in sentences]

    def _learn(self, words: set[str]) -> None:
        if len(self._known) > KNOWN_WORDS:
            self._known.clear()
        if not (new := sorted(words - self._known.keys())):
            return
        # As inside a sentence: byte-level tokenizers mark where words begin.
        texts = [f" {word[:MOST_CHARACTERS]}" for word in new]
        found = token_ids(self._tokenizer, texts)
        self._learn_silent({piece for ids in found for piece in ids})
        for word, ids in zip(new, found, strict=True):
            spoken = [piece for piece in ids if not self._is_silent[piece]]
            self._known[word] = spoken[:MOST_PIECES] or [self._unknown]
            check_token_ids(self._name, max(self._known[word]), self._vocabulary)

    def _learn_silent(self, pieces: set[int]) -> None:
        """Learn which pieces say nothing of a word: blanks before it, special tokens.

        By them, words that have nothing in common would be as like as can be.
        """
        new = sorted(pieces - self._is_silent.keys())
        texts = self._tokenizer.batch_decode([[piece] for piece in new])
        for piece, text in zip(new, texts, strict=True):
            self._is_silent[piece] = not text.strip()

    def _cut(self, words: Sentence) -> Pieces:
        parts = [self._known[word] for word in words]
        lengths = np.array([len(part) for part in parts], np.int64)
        starts = np.cumsum(lengths) - lengths
        return Pieces([piece for part in parts for piece in part], starts)
