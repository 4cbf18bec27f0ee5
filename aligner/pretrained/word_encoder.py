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
from aligner.pretrained.loading import load_encoder, longest_sequence, size_of
from aligner.pretrained.word_pieces import Pieces, Sentence, WordPieces
from aligner.terms import Precision

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]

BATCH_TOKENS = 2048  # padding included


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
        self._precision = precision
        self._layers = _layers_of(name, self._model)
        self.depth = len(self._layers)
        self.dim = size_of(name, model.config, "hidden_size")
        self._room = longest_sequence(name, self._model, tokenizer) - 2
        embeddings = self._model.get_input_embeddings()
        self._pieces = WordPieces(name, tokenizer, embeddings.num_embeddings)
        weight: Tensor = embeddings.weight[self._pieces.sep]
        self.mark: Floats = weight.detach().cpu().numpy().copy()

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

    def vectors(
        self, sentences: Sequence[Sentence], layers: Sequence[int]
    ) -> list[Vectors]:
        """Return the vectors of sentences, in the layers, from 1, that are asked for.

        Words are cut into pieces each by itself; of very long ones the beginning is
        read. Sentences that do not fit into a sequence are read in several. The model
        runs no deeper than the last of the layers.

        Raises:
            ModelError: the tokenizer belongs to another model, or a vector is not
                finite.
        """
        cut_up = self._pieces.of(sentences)
        windows = sorted(self._windows(cut_up), key=lambda window: len(window.ids))
        dim, size = self.dim, len(layers)
        found = [
            Vectors(np.empty((size, len(ids), dim), np.float32), starts)
            for ids, starts in cut_up
        ]

        lengths = np.array([len(window.ids) + 2 for window in windows], np.int64)
        batches = [windows[part] for part in cut(lengths[:, None], BATCH_TOKENS)]
        with computing(self._precision, self.device), self._reader(layers) as read:
            states = each_alone(read, batches, self._precision, self.device)
            for batch, values in zip(batches, states, strict=True):
                for row, (sentence, first, ids) in enumerate(batch):
                    last = first + len(ids)
                    part = values[:, row, 1 : len(ids) + 1]
                    found[sentence].layers[:, first:last] = part
        return found

    def _windows(self, sentences: Sequence[Pieces]) -> Iterator[_Window]:
        for number, (ids, _) in enumerate(sentences):
            for first in range(0, len(ids), self._room):
                yield _Window(number, first, ids[first : first + self._room])

    @contextmanager
    def _reader(
        self, layers: Sequence[int]
    ) -> Iterator[Callable[[Sequence[_Window]], Floats]]:
        """Make what returns the vectors of windows, (L, B, S, D), with CLS and SEP."""
        seen = threading.local()  # the states of each thread by themselves

        def taker(layer: int) -> Callable[[nn.Module, Any, Any], None]:
            def take(module: nn.Module, inputs: Any, output: Any) -> None:
                states = output if isinstance(output, Tensor) else output[0]
                seen.states[layer] = states

            return take

        @torch.inference_mode()
        def read(batch: Sequence[_Window]) -> Floats:
            ids, mask = self._framed(batch)
            seen.states = {}
            self._model(
                input_ids=torch.from_numpy(ids).to(self.device),
                attention_mask=torch.from_numpy(mask).to(self.device),
            )
            states = torch.stack([seen.states.pop(layer) for layer in layers])
            values: Floats = states.float().cpu().numpy()
            if not np.isfinite(values[:, mask.astype(bool)]).all():
                raise ModelError(f"{self.name}: expected finite numbers, got NaN")
            return values

        with ExitStack() as after:
            after.enter_context(_only_first(self._layers, max(layers)))
            for layer in layers:
                handle = self._layers[layer - 1].register_forward_hook(taker(layer))
                after.callback(handle.remove)
            yield read

    def _framed(self, batch: Sequence[_Window]) -> tuple[Ints, Ints]:
        """Return tokens between CLS and SEP (B, S), and which are no padding."""
        longest = max(len(window.ids) for window in batch) + 2
        ids = np.zeros((len(batch), longest), np.int64)  # 0: every vocabulary has it
        mask = np.zeros((len(batch), longest), np.int64)
        for row, window in enumerate(batch):
            framed = [self._pieces.cls, *window.ids, self._pieces.sep]
            ids[row, : len(framed)], mask[row, : len(framed)] = framed, 1
        return ids, mask


@contextmanager
def _only_first(layers: nn.ModuleList, depth: int) -> Iterator[None]:
    """Take the layers after the first ones away meanwhile, so that they are not run."""
    rest = layers[depth:]
    del layers[depth:]
    try:
        yield
    finally:
        layers.extend(rest)


def _layers_of(name: str, model: Any) -> nn.ModuleList:
    """Return the layers of an encoder, whatever its class calls them.

    Raises:
        ModelError: there is no such list, or more than one: nothing tells which it is.
    """
    depth = size_of(name, model.config, "num_hidden_layers")
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    found = [layers for layers in lists if len(layers) == depth]
    if len(found) != 1:
        raise ModelError(
            f"{name}: expected one list of {depth} layers in a {type(model).__name__}, "
            f"got {len(found)}"
        )
    return found[0]
