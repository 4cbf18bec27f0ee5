"""Translation: search against naive and exhaustive search, and a task to learn."""

import itertools
from typing import Any

import pytest
import torch
from small_models import random_batch, random_model, random_network, sizes
from torch import Tensor

from aligner.errors import ConfigError, ModelError
from aligner.nmt.transformer import PAD, LayerCache, Transformer
from aligner.nmt.translation import NEVER_WRITTEN, beam_search, translate
from aligner.text.subwords import BOS, EOS, TO_SRC, TO_TGT

VOCABULARY = 9  # the six specials and three pieces
WRITABLE = [i for i in range(VOCABULARY) if i not in (PAD, *NEVER_WRITTEN)]


def log_probabilities(network: Transformer, src: Tensor, prefix: list[int]) -> Tensor:
    """Return the log-probabilities of what follows, by decoding the whole prefix."""
    scores = network.logits(network(src, torch.tensor([prefix])))[0, -1]
    for token in (PAD, *NEVER_WRITTEN):
        scores[token] = -torch.inf
    return scores.log_softmax(-1)


@torch.no_grad()
def naive_beam_search(
    network: Transformer, src: Tensor, tag: int, beam: int, penalty: float
) -> list[int]:
    """Keep the best few of all continuations; no cache, no batch, no tensors."""
    kept: list[tuple[float, list[int]]] = [(0.0, [])]  # summed log-probability, ids

    def merit(hypothesis: tuple[float, list[int]]) -> float:
        return hypothesis[0] / len(hypothesis[1]) ** penalty

    for _ in range(2 * src.shape[1] + 10):
        candidates = []
        for total, ids in kept:
            if ids[-1:] == [EOS]:
                candidates.append((total, ids))
                continue
            gains = log_probabilities(network, src, [tag, *ids])
            candidates += [(total + float(gains[i]), [*ids, i]) for i in WRITABLE]
        kept = sorted(candidates, key=merit, reverse=True)[:beam]
        if all(ids[-1] == EOS for _, ids in kept):
            break
    return [i for i in max(kept, key=merit)[1] if i != EOS]


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_equals_a_naive_search_in_a_batch(beam: int, penalty: float) -> None:
    network = random_network(sizes(decoder_layers=2), VOCABULARY, seed=3)
    src, _ = random_batch([(4, 1), (1, 1), (2, 1)], VOCABULARY)
    found = beam_search(network, src, TO_TGT, beam, penalty)
    for row, written in zip(src, found, strict=True):
        # Padding stays on: the batch's longest source sets the limit for all.
        naive = naive_beam_search(network, row[None], TO_TGT, beam, penalty)
        assert written == naive


class TableNetwork(Transformer):
    """Draws the scores of what follows each prefix at random; ends after 4 tokens.

    The cache holds the prefix, as a network's holds the keys of it.
    """

    DEPTH = 4

    def __init__(self, seed: int) -> None:
        super().__init__(sizes(), VOCABULARY)
        self.seed = seed

    def encode(self, src: Tensor) -> Tensor:
        return src[:, :, None].float()

    def start(self, memory: Tensor) -> list[LayerCache]:
        nothing = memory.new_zeros(len(memory), 1, 0, 1)
        return [LayerCache(nothing, nothing, memory[:, None], memory[:, None])]

    def step(
        self, tokens: Tensor, cache: list[LayerCache], mask: Tensor | None
    ) -> tuple[Tensor, list[LayerCache]]:
        new = tokens[:, None, None, None].float()
        prefix = torch.cat([cache[0].self_keys, new], dim=2)
        return prefix[:, 0, :, 0], [cache[0]._replace(self_keys=prefix)]

    def logits(self, states: Tensor) -> Tensor:
        return torch.stack(
            [self.scores(prefix[1:]) for prefix in states.int().tolist()]
        )

    def scores(self, written: list[int]) -> Tensor:
        if len(written) >= self.DEPTH:
            only_eos = torch.full((VOCABULARY,), -torch.inf)
            only_eos[EOS] = 0
            return only_eos
        number = sum(i * VOCABULARY**place for place, i in enumerate(written, 1))
        generator = torch.Generator().manual_seed(self.seed + number)
        return 3 * torch.randn(VOCABULARY, generator=generator)


def best_of_all(network: TableNetwork, penalty: float) -> list[int]:
    """Return the best of all sentences of up to four tokens."""
    tokens = [i for i in WRITABLE if i != EOS]
    found = []
    for length in range(network.DEPTH + 1):
        for ids in itertools.product(tokens, repeat=length):
            total = 0.0
            for place, token in enumerate([*ids, EOS]):
                scores = network.scores(list(ids[:place]))
                scores[[PAD, *NEVER_WRITTEN]] = -torch.inf
                total += float(scores.log_softmax(-1)[token])
            found.append((total / (length + 1) ** penalty, list(ids)))
    return max(found)[1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_beam_that_holds_everything_finds_the_best(seed: int, penalty: float) -> None:
    network = TableNetwork(seed * 10**6)
    everything = sum(4**length for length in range(network.DEPTH + 1))
    src = torch.tensor([[7, EOS]])
    found = beam_search(network, src, TO_TGT, everything, penalty)
    assert found == [best_of_all(network, penalty)]


def test_length_normalisation_lets_longer_ones_win() -> None:
    """Over a few random tables the penalty makes sentences longer, never shorter."""
    lengths = []
    for penalty in (0.0, 1.0):
        found = [best_of_all(TableNetwork(seed * 10**6), penalty) for seed in range(5)]
        lengths.append(sum(map(len, found)))
    assert lengths[0] < lengths[1]


def test_specials_are_never_written() -> None:
    network = random_network(sizes(), VOCABULARY)
    with torch.no_grad():  # make them as likely as can be
        network.embedding.weight[[PAD, BOS, TO_SRC, TO_TGT]] = 10.0
    src, _ = random_batch([(6, 1), (3, 1)], VOCABULARY)
    for beam in (1, 3):
        for ids in beam_search(network, src, TO_TGT, beam, 1.0):
            assert set(ids) <= {1, 6, 7, 8}


def test_it_ends_at_a_limit_where_eos_never_comes() -> None:
    network = random_network(sizes(), VOCABULARY)
    with torch.no_grad():
        network.embedding.weight[EOS] = 0
        network.embedding.weight[6:] = 1.0
        network.decoder_norm.weight.fill_(0)
        network.decoder_norm.bias.fill_(5)
    src, _ = random_batch([(6, 1), (3, 1)], VOCABULARY)
    for beam in (1, 3):
        found = beam_search(network, src, TO_TGT, beam, 1.0)
        assert [len(ids) for ids in found] == [2 * 6 + 10] * 2


def test_the_tag_is_what_the_model_was_trained_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def watched(
        network: Transformer, src: Tensor, tag: int, beam: int, length_penalty: float
    ) -> list[list[int]]:
        seen.append(tag)
        return [[]] * len(src)

    monkeypatch.setattr("aligner.nmt.translation.beam_search", watched)
    both, forward = random_model(), random_model("forward")
    translate(both, [["mill"]], "tgt")
    translate(both, [["mill"]], "src")
    translate(forward, [["mill"]], "tgt")
    assert seen == [TO_TGT, TO_SRC, BOS]


def test_each_side_is_cut_by_its_own_vocabulary() -> None:
    """Read with the source's pieces into the target, with the target's into it."""
    model = random_model(joint=False)
    network, subwords = model.network, model.subwords
    for into, side, tag in (("tgt", "src", TO_TGT), ("src", "tgt", TO_SRC)):
        ids = [*subwords.encode(["mill"], side)[0].tolist(), EOS]
        (found,) = beam_search(network, torch.tensor([ids]), tag, 2, 1.0)
        assert translate(model, [["mill"]], into, beam=2) == [subwords.decode(found)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam": 0}, "beam: expected a whole number from 1"),
        ({"beam": float("nan")}, "beam: expected a whole number from 1"),
        ({"length_penalty": float("nan")}, "length_penalty: expected a number from 0"),
        ({"length_penalty": float("inf")}, "length_penalty: expected a number from 0"),
        ({"length_penalty": -1.0}, "length_penalty: expected a number from 0"),
    ],
)
def test_numbers_have_a_range(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        translate(random_model(), [["a"]], **settings)


def test_states_that_are_no_numbers_are_an_error() -> None:
    model = random_model()
    with torch.no_grad():
        model.network.decoder_layers[2].feed_forward.output.bias[0] = torch.nan
    with pytest.raises(ModelError, match="the decoder's states: expected finite"):
        translate(model, [["a"]])


@pytest.mark.parametrize("sentence", ["a b", None, ["a", 1]])
def test_what_is_no_sentence_is_named(sentence: Any) -> None:
    with pytest.raises(TypeError, match=r"^sentence 2: expected .*words"):
        translate(random_model(), [["a"], sentence])
