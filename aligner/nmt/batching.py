"""Encoded parallel text in flat arrays, and batches of like length from it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.nmt.transformer import PAD
from aligner.text.subwords import BOS, EOS, TO_SRC, TO_TGT, Subwords

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class EncodedText:
    """Sentences as subword ids, end to end in one array.

    Attributes:
        ids: the subwords of all sentences.
        ends: for each sentence, where its subwords end in `ids`; 0 comes first.
    """

    ids: Ids
    ends: NDArray[np.int64]

    @classmethod
    def gather(cls, sentences: Iterable[Ids]) -> "EncodedText":
        """Lay sentences, each an array of ids, end to end."""
        chunks = list(sentences)
        ends = np.cumsum([0, *map(len, chunks)], dtype=np.int64)
        ids = np.concatenate(chunks) if chunks else np.empty(0, np.int32)
        return cls(ids.astype(np.int32, copy=False), ends)

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> Ids:
        """Return the subwords of one sentence."""
        return self.ids[self.ends[index] : self.ends[index + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of subwords of every sentence."""
        return np.diff(self.ends)

    def select(self, indices: NDArray[np.int64]) -> "EncodedText":
        """Return the sentences at some indices, in that order."""
        return EncodedText.gather(self[int(index)] for index in indices)


@dataclass(frozen=True)
class EncodedBitext:
    """Parallel text as subword ids: sentence i of `src` corresponds to i of `tgt`."""

    src: EncodedText
    tgt: EncodedText

    @classmethod
    def encode(
        cls, pairs: Sequence[tuple[Sequence[str], Sequence[str]]], subwords: Subwords
    ) -> "EncodedBitext":
        """Cut the words of sentence pairs into subwords."""
        return cls(
            EncodedText.gather(subwords.encode(src, "src")[0] for src, _ in pairs),
            EncodedText.gather(subwords.encode(tgt, "tgt")[0] for _, tgt in pairs),
        )

    def __len__(self) -> int:
        """Return the number of sentence pairs."""
        return len(self.src)

    def select(self, indices: NDArray[np.int64]) -> "EncodedBitext":
        """Return the pairs at some indices, in that order."""
        return EncodedBitext(self.src.select(indices), self.tgt.select(indices))

    def digest(self) -> str:
        """Return a SHA-256 of the content, to tell whether two texts are the same."""
        digest = hashlib.sha256()
        for text in (self.src, self.tgt):
            digest.update(text.ends.tobytes())
            digest.update(text.ids.tobytes())
        return digest.hexdigest()


class Batch(NamedTuple):
    """Sentence pairs as padded ids.

    Attributes:
        src: (B, S) what the encoder reads, ending in EOS.
        tgt: (B, T) what the decoder is fed, beginning with the tag.
        predicted: (B, T) what the decoder is to predict, ending in EOS.
    """

    src: Tensor
    tgt: Tensor
    predicted: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(ids.to(device, non_blocking=True) for ids in self))


Example = tuple[Ids, Ids, int]  # source, target, first decoder input


def pad(examples: Sequence[Example]) -> Batch:
    """Pad examples, adding EOS to both sides and the tag before the decoder input."""
    rows = len(examples)
    src = np.full((rows, max(len(s) for s, _, _ in examples) + 1), PAD, np.int64)
    tgt = np.full((rows, max(len(t) for _, t, _ in examples) + 1), PAD, np.int64)
    predicted = tgt.copy()
    for row, (source, target, tag) in enumerate(examples):
        src[row, : len(source)] = source
        src[row, len(source)] = EOS
        tgt[row, 0] = tag
        tgt[row, 1 : len(target) + 1] = target
        predicted[row, : len(target)] = target
        predicted[row, len(target)] = EOS
    return Batch(*map(torch.from_numpy, (src, tgt, predicted)))


class Batches:
    """Batches of like length, in an order that a seed and an epoch decide.

    With both directions every pair gives two examples, one each way; the tag tells
    the decoder which. Examples of equal length meet in ever new company.
    """

    def __init__(
        self, bitext: EncodedBitext, direction: str, batch_tokens: int
    ) -> None:
        """Hold the text; `batch_tokens` limits a batch's padded longer side."""
        self.bitext = bitext
        self.both = direction == "both"
        self.batch_tokens = batch_tokens
        src, tgt = bitext.src.lengths() + 1, bitext.tgt.lengths() + 1
        # Example i < N reads src and writes tgt; example N + i the other way round.
        self.read = np.concatenate([src, tgt]) if self.both else src
        self.written = np.concatenate([tgt, src]) if self.both else tgt

    def epoch(self, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """Return the examples of each batch of one epoch, in training order."""
        random = np.random.default_rng([seed, epoch])
        noise = random.random(len(self.read))
        order = np.lexsort((noise, self.read, self.written))
        batches = self._cut(order)
        return [batches[i] for i in random.permutation(len(batches))]

    def in_order(self) -> Iterator[Batch]:
        """Yield all examples once, sorted by length, for validation."""
        for examples in self._cut(np.lexsort((self.read, self.written))):
            yield self.load(examples)

    def load(self, examples: NDArray[np.int64]) -> Batch:
        """Return the padded batch of some examples."""
        return pad([self._example(int(example)) for example in examples])

    def _example(self, example: int) -> Example:
        pairs = len(self.bitext)
        src, tgt = self.bitext.src, self.bitext.tgt
        if not self.both:
            return src[example], tgt[example], BOS
        if example < pairs:
            return src[example], tgt[example], TO_TGT
        return tgt[example - pairs], src[example - pairs], TO_SRC

    def _cut(self, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Cut sorted examples where the next would exceed the token budget."""
        longer = np.maximum(self.read, self.written)[order]
        cuts, first, longest = [], 0, 0
        for position, length in enumerate(longer.tolist()):
            longest = max(longest, length)
            if longest * (position + 1 - first) > self.batch_tokens and (
                position > first
            ):
                cuts.append(position)
                first, longest = position, length
        return np.split(order, cuts)
