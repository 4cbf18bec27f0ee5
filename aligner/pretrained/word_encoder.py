"""Read sentences by a pretrained encoder: vectors of the pieces of each word."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aligner.errors import ModelError
from aligner.nmt.batching import cut
from aligner.nmt.precision import computing
from aligner.nmt.threads import each_alone
from aligner.pretrained.loading import (
    check_token_ids,
    load_encoder,
    longest_sequence,
    special_ids,
    token_ids,
)
from aligner.terms import Precision

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]
Sentence: TypeAlias = Sequence[str]

BATCH_TOKENS = 2048  # padding included
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


class Vectors(NamedTuple):
    """What an encoder says of a sentence.

    Attributes:
        layers: (L, P, D) of each piece, in each of the layers asked for.
        starts: (W,) where each word's pieces begin.
    """

    layers: Floats
    starts: Ints


class _Window(NamedTuple):
    """Pieces that are read together: those of a sentence from a place on."""

    sentence: int
    first: int
    ids: list[int]


class WordEncoder:
    """A pretrained encoder that is given words.

    encoder = WordEncoder.load("multilingual-e5-small")
    [vectors] = encoder.vectors([["the", "house"]], layers=[6])

    Attributes:
        name: the directory or hub name.
        depth: how many layers it has.
        dim: of a vector.
        mark: SEP's embedding, by which encoders are told apart.
    """

    def __init__(
        self, name: str, model: Any, tokenizer: Any, precision: Precision = "auto"
    ) -> None:
        """Set up a model of `transformers` and its tokenizer.

        Raises:
            ModelError: its layers cannot be found, or the tokenizer does not fit.
        """
        self.name = name
        self._model = model.base_model
        self._tokenizer = tokenizer
        self._precision = precision
        self._layers = _layers_of(name, self._model)
        self.depth = len(self._layers)
        self.dim = int(model.config.hidden_size)
        self._cls, self._sep = special_ids(name, tokenizer)
        self._room = longest_sequence(name, model.config, tokenizer) - 2
        unknown = tokenizer.unk_token_id
        self._unknown: int = self._sep if unknown is None else unknown
        embeddings = self._model.get_input_embeddings()
        self._vocabulary: int = embeddings.num_embeddings
        self.mark: Floats = embeddings.weight[self._sep].detach().cpu().numpy().copy()
        self._pieces: dict[str, list[int]] = {}
        self._seen = threading.local()

    @classmethod
    def load(
        cls, name: str, device: str = "cpu", precision: Precision = "auto"
    ) -> "WordEncoder":
        """Load a local directory or a model of the Hugging Face hub.

        Raises:
            ConfigError: `transformers` is not installed.
            ModelError: it does not load, or is no encoder that can be read.
        """
        model, tokenizer = load_encoder(name, extra="encoder")
        return cls(name, model.to(device), tokenizer, precision)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        weight: Tensor = next(self._model.parameters())
        return weight.device

    def end_after(self, layer: int) -> None:
        """Drop the layers after one, counted from 1: they are not asked for again."""
        del self._layers[layer:]

    def vectors(
        self, sentences: Sequence[Sentence], layers: Sequence[int]
    ) -> list[Vectors]:
        """Return the vectors of sentences, in the layers, from 1, that are asked for.

        Words are cut into pieces each by itself; of very long ones the beginning is
        read. Sentences that do not fit into a sequence are read in several.

        Raises:
            ModelError: the tokenizer belongs to another model, or a vector is not
                finite.
        """
        self._learn_pieces({word for words in sentences for word in words})
        cut_up = [self._cut(words) for words in sentences]
        windows = sorted(self._windows(cut_up), key=lambda window: len(window.ids))
        dim, size = self.dim, len(layers)
        found = [
            Vectors(np.empty((size, len(ids), dim), np.float32), starts)
            for ids, starts in cut_up
        ]

        def read(batch: Sequence[_Window]) -> Floats:
            return self._read(batch, layers)

        lengths = np.array([len(window.ids) + 2 for window in windows], np.int64)
        batches = [windows[part] for part in cut(lengths[:, None], BATCH_TOKENS)]
        with computing(self._precision, self.device), self._listening(layers):
            states = each_alone(read, batches, self._precision, self.device)
            for batch, values in zip(batches, states, strict=True):
                for row, (sentence, first, ids) in enumerate(batch):
                    last = first + len(ids)
                    part = values[:, row, 1 : len(ids) + 1]
                    found[sentence].layers[:, first:last] = part
        return found

    def _learn_pieces(self, words: set[str]) -> None:
        """Cut words into pieces that were not yet."""
        if len(self._pieces) > KNOWN_WORDS:
            self._pieces.clear()
        if not (new := sorted(words - self._pieces.keys())):
            return
        # As inside a sentence: byte-level tokenizers mark where words begin.
        texts = [f" {word[:MOST_CHARACTERS]}" for word in new]
        for word, ids in zip(new, token_ids(self._tokenizer, texts), strict=True):
            self._pieces[word] = ids[:MOST_PIECES] or [self._unknown]
            check_token_ids(self.name, max(self._pieces[word]), self._vocabulary)

    def _cut(self, words: Sentence) -> Pieces:
        parts = [self._pieces[word] for word in words]
        lengths = np.array([len(part) for part in parts], np.int64)
        starts = np.cumsum(lengths) - lengths
        return Pieces([piece for part in parts for piece in part], starts)

    def _windows(self, sentences: Sequence[Pieces]) -> Iterator[_Window]:
        for number, (ids, _) in enumerate(sentences):
            for first in range(0, len(ids), self._room):
                yield _Window(number, first, ids[first : first + self._room])

    @torch.inference_mode()
    def _read(self, batch: Sequence[_Window], layers: Sequence[int]) -> Floats:
        """Return the vectors of windows, (L, B, S, D), CLS and SEP included."""
        longest = max(len(window.ids) for window in batch) + 2
        ids = np.zeros((len(batch), longest), np.int64)  # 0: every vocabulary has it
        mask = np.zeros((len(batch), longest), np.int64)
        for row, window in enumerate(batch):
            framed = [self._cls, *window.ids, self._sep]
            ids[row, : len(framed)], mask[row, : len(framed)] = framed, 1
        self._seen.states = {}
        self._model(
            input_ids=torch.from_numpy(ids).to(self.device),
            attention_mask=torch.from_numpy(mask).to(self.device),
        )
        states = torch.stack([self._seen.states.pop(layer) for layer in layers])
        values: Floats = states.float().cpu().numpy()
        if not np.isfinite(values[:, mask.astype(bool)]).all():
            raise ModelError(f"{self.name}: expected finite numbers, got NaN")
        return values

    @contextmanager
    def _listening(self, layers: Sequence[int]) -> Iterator[None]:
        """Take the states of layers meanwhile, those of each thread by themselves."""

        def taker(layer: int) -> Callable[[nn.Module, Any, Any], None]:
            def take(module: nn.Module, inputs: Any, output: Any) -> None:
                states = output if isinstance(output, Tensor) else output[0]
                self._seen.states[layer] = states

            return take

        with ExitStack() as hooks:
            for layer in layers:
                handle = self._layers[layer - 1].register_forward_hook(taker(layer))
                hooks.callback(handle.remove)
            yield


def _layers_of(name: str, model: Any) -> nn.ModuleList:
    """Return the layers of an encoder, whatever its class calls them.

    Raises:
        ModelError: there is no such list, or more than one.
    """
    depth = model.config.num_hidden_layers
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    found = [layers for layers in lists if len(layers) == depth]
    if not found:
        raise ModelError(
            f"{name}: expected a list of {depth} layers in a {type(model).__name__}, "
            "got none"
        )
    return found[0]
