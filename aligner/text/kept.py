"""Sentence pairs as they were read, on the scratch disk, to be gone through again."""

import json
from collections.abc import Iterator

import numpy as np

from aligner.text.scratch import GrowingArray
from aligner.text.words import Sentence

SentencePair = tuple[Sentence, Sentence]


class KeptSentences:
    """Sentence pairs that grow at their end: words, lines, and the places in them."""

    def __init__(self) -> None:
        """Begin without any."""
        self._bytes = GrowingArray(np.uint8)
        self._lengths = GrowingArray(np.int64)

    def add(self, src: Sentence, tgt: Sentence) -> None:
        """Add a pair."""
        content = [[list(side), side.line, side.spans] for side in (src, tgt)]
        packed = json.dumps(content).encode()
        self._bytes.append(np.frombuffer(packed, np.uint8))
        self._lengths.append(np.array([len(packed)]))

    def finish(self) -> Iterator[SentencePair]:
        """Yield all pairs; nothing can be added any more."""
        packed, end = self._bytes.finish(), 0
        for length in self._lengths.finish():
            start, end = end, end + int(length)
            src, tgt = json.loads(packed[start:end].tobytes())
            yield _sentence(*src), _sentence(*tgt)


def _sentence(words: list[str], line: str, spans: list[list[int]]) -> Sentence:
    return Sentence(words, line, [(start, end) for start, end in spans])
