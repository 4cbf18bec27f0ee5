"""What a translation model has to offer for its cross-attention to be read."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from aligner.nmt.attention import AttentionRecord


class CrossAttention(Protocol):
    """A translation model that is read by forced decoding; shapes as in `transformer`.

    Pieces are numbered as `text.subwords` has it: its specials in front, so that PAD,
    EOS and the tag mean the same for every model.
    """

    @property
    def depth(self) -> int:
        """The number of decoder layers."""

    @property
    def heads(self) -> int:
        """The number of heads of each layer's cross-attention."""

    @property
    def device(self) -> torch.device:
        """Where the model lies."""

    def records(
        self,
        src: Tensor,
        tgt: Tensor,
        *,
        first: int = 0,
        count: int | None = None,
        whole: bool = False,
    ) -> Iterator[AttentionRecord]:
        """Yield what each decoder layer's cross-attention does, in order.

        Args:
            src: (B, S) sources, ending in EOS.
            tgt: (B, T) the decoder's inputs, beginning with a tag.
            first: the layer to begin with, from 0.
            count: how many layers are asked for; by default all that follow.
            whole: let each position see the whole target, where the model can.
        """
