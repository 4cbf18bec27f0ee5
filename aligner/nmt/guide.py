"""Guide one layer's attention by alignments that are known beforehand.

Garg et al. (2019), "Jointly Learning to Align and Translate": beside the translation
loss, the attention of one decoder layer is trained towards given alignments by
cross-entropy. Here it is trained in the rows where a target word is fed in, in a pass
that sees the whole target. A word without links is guided to EOS, which stands for
NULL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from aligner.errors import ModelError
from aligner.nmt.batching import EncodedText
from aligner.prior.prior import SoftLinks
from aligner.text.output import replacing
from aligner.text.subwords import Subwords


@dataclass(frozen=True)
class Guide:
    """Alignments of the training text, to be looked up by example.

    Attributes:
        src_words: for every source sentence, the word of each subword.
        tgt_words: for every target sentence, likewise.
        links: the links of every pair, between words.
    """

    src_words: EncodedText
    tgt_words: EncodedText
    links: Sequence[SoftLinks]

    @classmethod
    def of(
        cls,
        pairs: Sequence[tuple[Sequence[str], Sequence[str]]],
        links: Sequence[SoftLinks],
        subwords: Subwords,
    ) -> "Guide":
        """Prepare the links of sentence pairs for the subwords that they have."""
        return cls(
            EncodedText.gather(subwords.encode(src, "src")[1] for src, _ in pairs),
            EncodedText.gather(subwords.encode(tgt, "tgt")[1] for _, tgt in pairs),
            links,
        )

    def with_links(self, links: Sequence[SoftLinks]) -> "Guide":
        """Return a guide with other links for the same text."""
        return replace(self, links=links)

    def save(self, path: Path) -> None:
        """Write the links to a file, whole or not at all."""
        arrays = {
            "ends": np.cumsum([len(one.src) for one in self.links], dtype=np.int64),
            "src": np.concatenate([one.src for one in self.links]),
            "tgt": np.concatenate([one.tgt for one in self.links]),
            "probability": np.concatenate([one.probability for one in self.links]),
        }
        with replacing(path) as beside:
            beside.write_bytes(save(arrays))

    def load(self, path: Path) -> "Guide":
        """Return a guide with the links that `save` wrote for the same text.

        Raises:
            ModelError: the file is damaged, or has links for another number of pairs.
        """
        try:
            arrays = load_file(path)
            ends = arrays["ends"][:-1]
            parts = [
                np.split(arrays[part], ends) for part in ("src", "tgt", "probability")
            ]
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(f"{path}: damaged guide: {error}") from error
        if len(parts[0]) != len(self.links):
            raise ModelError(
                f"{path}: expected links for {len(self.links)} pairs, "
                f"got {len(parts[0])}"
            )
        return self.with_links(list(map(SoftLinks, *parts)))

    def attention(self, examples: NDArray[np.int64]) -> Tensor:
        """Return where each target subword should look, (B, T - 1, S), float32.

        Examples are numbered as in `Batches`. Each row sums to 1, the part that no
        link takes going to EOS; rows of padding are 0.
        """
        src_words, tgt_words, links = [], [], []
        for example in examples.tolist():
            forward = example < len(self.links)
            pair = example if forward else example - len(self.links)
            sides = [self.src_words[pair], self.tgt_words[pair]]
            src, tgt, probability = self.links[pair]
            src_words.append(sides[0 if forward else 1])
            tgt_words.append(sides[1 if forward else 0])
            links.append(
                (src, tgt, probability) if forward else (tgt, src, probability)
            )
        return _spread(_padded(src_words), _padded(tgt_words), links)


def _padded(words: list[NDArray[np.int32]]) -> NDArray[np.int64]:
    padded = np.full((len(words), max(map(len, words))), -1)
    for row, indices in enumerate(words):
        padded[row, : len(indices)] = indices
    return padded


def _spread(
    src_words: NDArray[np.int64],
    tgt_words: NDArray[np.int64],
    links: Sequence[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]],
) -> Tensor:
    """Spread links between words over subwords; a word's pieces share equally."""
    rows, pieces = src_words.shape
    src_count, tgt_count = int(src_words.max()) + 1, int(tgt_words.max()) + 1
    row = np.repeat(np.arange(rows), [len(src) for src, _, _ in links])
    src, tgt, probability = map(np.concatenate, zip(*links, strict=True))
    mass = np.zeros((rows, tgt_count, src_count + 1), np.float32)  # the last: nothing
    mass[row, tgt, src] = probability
    mass /= np.maximum(mass.sum(axis=2, keepdims=True), 1)
    null = np.maximum(1 - mass.sum(axis=2), 0)  # (B, target words)
    # A source word's pieces share its part.
    sizes = np.zeros((rows, src_count + 1), np.float32)
    np.add.at(sizes, (np.arange(rows)[:, None], src_words), 1)
    mass /= np.maximum(sizes, 1)[:, None, :]
    mass[:, :, -1] = 0
    batch = np.arange(rows)[:, None]
    spread = np.zeros((rows, tgt_words.shape[1], pieces + 1), np.float32)
    spread[:, :, :-1] = mass[
        batch[:, :, None], tgt_words[:, :, None], src_words[:, None, :]
    ]
    ends = (src_words >= 0).sum(axis=1)  # where EOS stands
    positions = np.arange(tgt_words.shape[1])[None, :]
    spread[batch, positions, ends[:, None]] = null[batch, tgt_words]
    spread[tgt_words < 0] = 0
    return torch.from_numpy(spread)
