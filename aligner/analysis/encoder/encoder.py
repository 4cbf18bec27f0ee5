"""Pretrained encoders of BERT's family, read layer by layer.

The model is the stock one of Hugging Face `transformers`; `layers.py` says what
is read of it, and has the shapes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from aligner.analysis.encoder.layers import LayerReading, hooks_on, layers_of
from aligner.errors import CorpusError, ModelError
from aligner.pretrained.loading import (
    check_is_encoder,
    check_token_ids,
    load_encoder,
    longest_sequence,
    special_ids,
    token_ids,
)

Visit: TypeAlias = Callable[[int, LayerReading], None]

SUPPORTED = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")
TOKENIZED_LINES = 1000  # at a time


class Batch(NamedTuple):
    """Sequences padded to one length: ids (B, S), and what of them is no padding."""

    ids: Tensor
    mask: Tensor


class Sequences(NamedTuple):
    """A text as an encoder reads it.

    Attributes:
        ids: the tokens of each sequence, CLS and SEP around them.
        lines: how many lines they come from; lines without tokens give none.
        split: how many of these lines were too long for one sequence.
    """

    ids: list[list[int]]
    lines: int
    split: int


class Encoder:
    """A pretrained encoder with its tokenizer.

    encoder = Encoder.load("bert-base-uncased")
    sequences = encoder.sequences(["The house is small ."])
    encoder.read(encoder.batch(sequences.ids), lambda layer, reading: ...)

    Attributes:
        name: the directory or hub name.
        layers: the projections of each layer.
        heads: of every layer.
        cls, sep: the ids of the tokens around each sequence.
        longest: tokens that fit into a sequence, those two included.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        """Set up a model of `transformers`, in evaluation mode, and its tokenizer.

        Raises:
            ModelError: nothing that can be read rightly.
        """
        check_config(name, model.config)
        self.name = name
        self.model = model.base_model
        self.tokenizer = tokenizer
        self.layers = layers_of(self.model)
        heads = sorted({layer.heads for layer in self.layers})
        if len(heads) != 1:
            raise ModelError(f"{name}: expected layers of equal heads, got {heads}")
        self.heads = heads[0]
        self.cls, self.sep = special_ids(name, tokenizer)
        self.longest = longest_sequence(name, model, tokenizer)

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> "Encoder":
        """Load a local directory or a model of the Hugging Face hub, in float32.

        Raises:
            ConfigError: `transformers` is not installed.
            ModelError: it does not load, or nothing that can be read rightly.
        """
        if Path(name, "config.toml").is_file():
            raise ModelError(
                f"{name}: expected an encoder of transformers, got a model of aligner: "
                "see aligner analyze nmt"
            )
        model, tokenizer = load_encoder(
            name, extra="bert", check=partial(check_config, name)
        )
        return cls(name, model.to(device), tokenizer)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.layers[0].query.weight.device

    def token_ids(self, lines: Iterable[str]) -> Iterator[list[int]]:
        """Yield the tokens of each line, without CLS and SEP."""
        rest = iter(lines)
        while chunk := list(islice(rest, TOKENIZED_LINES)):
            yield from token_ids(self.tokenizer, chunk)

    def sequences(self, lines: Iterable[str]) -> Sequences:
        """Return a text as sequences, one or more for each line that has tokens.

        Raises:
            CorpusError: no line has any.
            ModelError: the tokenizer belongs to another model.
        """
        found: list[list[int]] = []
        used = split = 0
        room = self.longest - 2
        for ids in self.token_ids(lines):
            used += bool(ids)
            split += len(ids) > room
            for start in range(0, len(ids), room):
                found.append([self.cls, *ids[start : start + room], self.sep])
        if not found:
            raise CorpusError("expected a text of at least one token, got none")
        known = self.model.get_input_embeddings().num_embeddings
        check_token_ids(self.name, max(map(max, found)), known)
        return Sequences(found, used, split)

    def batch(self, sequences: Sequence[Sequence[int]]) -> Batch:
        """Return sequences padded to the longest of them."""
        longest = max(map(len, sequences))
        # What stands in the padding has no influence; id 0 every vocabulary has.
        padded = [[*ids, *[0] * (longest - len(ids))] for ids in sequences]
        mask = [[place < len(ids) for place in range(longest)] for ids in sequences]
        return Batch(
            torch.tensor(padded, device=self.device),
            torch.tensor(mask, device=self.device),
        )

    @torch.inference_mode()
    def read(self, batch: Batch, visit: Visit) -> None:
        """Run the model; call `visit` with each layer's number from 0 and reading.

        A layer's reading is made while the model is at that layer, so that no more than
        one layer's weights exist at a time. Afterwards the model is as it was.
        """
        with ExitStack() as hooks:
            for index, layer in enumerate(self.layers):
                for handle in hooks_on(layer, batch.mask, partial(visit, index)):
                    hooks.enter_context(handle)
            self.model(input_ids=batch.ids, attention_mask=batch.mask.long())


def check_config(name: str, config: Any) -> None:
    """Check by its configuration that a model can be read rightly.

    Raises:
        ModelError: another kind of model, or a part that would be left out.
    """
    kind = config.model_type
    if kind not in SUPPORTED:
        raise ModelError(
            f"{name}: expected a model of type {', '.join(SUPPORTED)}, "
            f"got {kind} ({type(config).__name__})"
        )
    positions = getattr(config, "position_embedding_type", None) or "absolute"
    if positions != "absolute":
        raise ModelError(
            f"{name}: expected an encoder without relative position embeddings, "
            f"got {positions} ({type(config).__name__})"
        )
    check_is_encoder(name, config)
