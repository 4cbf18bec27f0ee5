"""Batches of sentence pairs of like length, from text in flat arrays."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aligner.nmt.transformer import PAD
from aligner.text.numbered import NumberedBitext
from aligner.text.ragged import EncodedBitext, Ids, RaggedArray
from aligner.text.subwords import EOS, Subwords, tag

Examples = NDArray[np.int64]

SECTION_EXAMPLES = 1 << 18  # that are sorted by length together
BLOCK_PAIRS = 1 << 12  # that stay together, so that text on disk is read in order


def encode(text: NumberedBitext, subwords: Subwords) -> EncodedBitext:
    """Cut the words of sentence pairs into subwords, on disk."""
    src, tgt = text.src, text.tgt
    return EncodedBitext(
        src.numbers.spelt(subwords.table(src.words, "src")),
        tgt.numbers.spelt(subwords.table(tgt.words, "tgt")),
    )


class Batch(NamedTuple):
    """Sentence pairs as padded ids.

    Attributes:
        src: (B, S) what the encoder reads, ending in EOS.
        tgt: (B, T) what the decoder is fed, beginning with the tag.
        predicted: (B, T) what the decoder is to predict, ending in EOS.
        places: (N,) where in the flat `predicted` the real subwords stand: a GPU that
            was asked for them would have to be waited for.
    """

    src: Tensor
    tgt: Tensor
    predicted: Tensor
    places: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(_moved(ids, device) for ids in self))


def _moved(ids: Tensor, device: torch.device) -> Tensor:
    # From pinned memory, a GPU fetches them while the processor goes on.
    pinned = ids.pin_memory() if device.type == "cuda" else ids
    return pinned.to(device, non_blocking=True)


Example = tuple[Ids, Ids, int]  # source, target, first decoder input


def pad(examples: Sequence[Example]) -> Batch:
    """Pad examples, adding EOS to both sides and the tag before the decoder input."""
    sources, targets, tags = zip(*examples, strict=True)
    rows = np.arange(len(examples))
    read, written = RaggedArray.gather(sources), RaggedArray.gather(targets)
    return _framed(read.padded(rows, PAD), written.padded(rows, PAD), np.array(tags))


def _framed(read: Examples, written: Examples, tags: Examples) -> Batch:
    """Return a batch from ids that are padded, (B, S - 1) and (B, T - 1)."""
    src, predicted = (
        np.pad(ids, ((0, 0), (0, 1)), constant_values=PAD) for ids in (read, written)
    )
    for ids in (src, predicted):
        ids[np.arange(len(ids)), (ids != PAD).sum(axis=1)] = EOS
    tgt = np.concatenate([tags[:, None], written], axis=1)
    places = np.flatnonzero(predicted != PAD)
    return Batch(*map(torch.from_numpy, (src, tgt, predicted, places)))


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

    def __len__(self) -> int:
        """Return the number of examples.

        Example i < N reads src and writes tgt; example N + i the other way round.
        """
        return len(self.bitext) * (2 if self.both else 1)

    def read_lengths(self, examples: Examples) -> Examples:
        """Return how many subwords the encoder reads of each, with EOS."""
        return self._lengths(examples, self.bitext.src, self.bitext.tgt)

    def written_lengths(self, examples: Examples) -> Examples:
        """Return how many subwords the decoder predicts of each, with EOS."""
        return self._lengths(examples, self.bitext.tgt, self.bitext.src)

    def _lengths(
        self, examples: Examples, there: RaggedArray, back: RaggedArray
    ) -> Examples:
        forward, pairs = self._pairs(examples)
        lengths = there.lengths(pairs)
        lengths[~forward] = back.lengths(pairs[~forward])
        return lengths + 1

    def _pairs(self, examples: Examples) -> tuple[NDArray[np.bool_], Examples]:
        """Return which examples go forward, and the pair of each."""
        return examples < len(self.bitext), examples % len(self.bitext)

    def epoch(self, seed: int, epoch: int, done: int = 0) -> Iterator[Examples]:
        """Yield the examples of each batch of one epoch, in training order.

        Of a large text, blocks of pairs are drawn at random for one section after the
        other, and batches are put together within each: memory does not grow with
        the text.

        Args:
            seed: decides the order.
            epoch: likewise.
            done: the batches to leave out, those of so many examples.
        """
        for number, examples in enumerate(self._sections(seed, epoch)):
            if done >= len(examples):
                done -= len(examples)
                continue
            # numpy fills seeds up with zeros: the first section's is [seed, epoch].
            random = np.random.default_rng([seed, epoch, number])
            noise = random.random(len(examples))
            read, written = self.read_lengths(examples), self.written_lengths(examples)
            batches = self._cut(examples[np.lexsort((noise, read, written))])
            for i in random.permutation(len(batches)):
                if done <= 0:
                    yield batches[i]
                done -= len(batches[i])

    def _sections(self, seed: int, epoch: int) -> Iterator[Examples]:
        """Yield the examples that are sorted together."""
        pairs, ways = len(self.bitext), 2 if self.both else 1
        at_once = SECTION_EXAMPLES // ways
        if pairs <= at_once:
            yield np.arange(len(self))
            return
        firsts = np.arange(0, pairs, BLOCK_PAIRS)
        sections = -(-len(firsts) * BLOCK_PAIRS // at_once)
        np.random.default_rng([seed, epoch, sections]).shuffle(firsts)
        for some in np.array_split(firsts, sections):
            chosen = (some[:, None] + np.arange(BLOCK_PAIRS)).ravel()
            chosen = chosen[chosen < pairs]
            yield np.concatenate([chosen + way * pairs for way in range(ways)])

    def in_order(self, first: int = 0, of: int = 1) -> Iterator[Examples]:
        """Yield the examples of each batch, sorted by length, for validation.

        Or each so manieth batch, from a first one on.
        """
        examples = np.arange(len(self))
        order = np.lexsort(
            (self.read_lengths(examples), self.written_lengths(examples))
        )
        yield from self._cut(order)[first::of]

    def load(self, examples: Examples) -> Batch:
        """Return the padded batch of some examples."""
        forward, pairs = self._pairs(examples)
        src, tgt = self.bitext.src, self.bitext.tgt
        tags = (
            np.where(forward, tag("tgt"), tag("src"))
            if self.both
            else np.full(len(forward), tag("tgt", both=False))
        )
        return _framed(
            padded_either(forward, pairs, src, tgt, PAD),
            padded_either(forward, pairs, tgt, src, PAD),
            tags,
        )

    def _cut(self, order: Examples) -> list[Examples]:
        """Cut sorted examples where the next would exceed the token budget."""
        sides = self.read_lengths(order), self.written_lengths(order)
        parts = cut(np.stack(sides, axis=1), self.batch_tokens)
        return [order[part] for part in parts]


def cut(lengths: Examples, tokens: int, cells: float = math.inf) -> Iterator[slice]:
    """Yield where batches begin and end, each as long as its limits allow, or of one.

    Args:
        lengths: (N, sides) of what is padded together, from 1, in its order.
        tokens: at most, padded, on a batch's longer side.
        cells: at most, positions of one side x those of the other, over a batch.
    """
    longer, first = lengths.max(axis=1), 0
    while first < len(lengths):
        most = tokens // longer[first] + 1
        longest = np.maximum.accumulate(lengths[first : first + most])
        rows = np.arange(1, len(longest) + 1)
        fit = rows * longest.max(axis=1) <= tokens
        fit &= rows * longest.prod(axis=1) <= cells
        size = max(1, int(np.count_nonzero(fit)))
        yield slice(first, first + size)
        first += size


def padded_either(
    forward: NDArray[np.bool_],
    pairs: Examples,
    there: RaggedArray,
    back: RaggedArray,
    filler: int,
) -> Examples:
    """Return sentences, (B, longest): of one text if forward, else of the other."""
    parts = [
        (rows, text.padded(pairs[rows], filler))
        for rows, text in ((forward, there), (~forward, back))
    ]
    longest = max(part.shape[1] for _, part in parts)
    padded = np.full((len(pairs), longest), filler, np.int64)
    for rows, part in parts:
        padded[rows, : part.shape[1]] = part
    return padded


Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items while a thread prepares the next one."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
