"""The Transformer: torch.nn.Transformer, given the same weights, is the oracle."""

import math
from itertools import pairwise

import pytest
import torch
from small_models import never, padded, random_batch, random_network, sizes
from torch import Tensor, nn

from aligner.nmt.attention import MultiHeadAttention
from aligner.nmt.sublayers import sublayer_records
from aligner.nmt.transformer import (
    PAD,
    DecoderLayer,
    EncoderLayer,
    Residual,
    Transformer,
    sinusoids,
    source_mask,
)

CLOSE = {"rtol": 1e-10, "atol": 1e-11}
LENGTHS = [(6, 5), (3, 7), (1, 1), (8, 2)]
NORMS = pytest.mark.parametrize("norm", ["pre", "post"])


def copy_linear(to: nn.Linear, source: nn.Module) -> None:
    assert isinstance(source, nn.Linear)
    to.load_state_dict(source.state_dict())


def copy_attention(to: nn.MultiheadAttention, source: MultiHeadAttention) -> None:
    inner = [source.query, source.key, source.value]
    to.in_proj_weight.copy_(torch.cat([linear.weight for linear in inner]))
    to.in_proj_bias.copy_(torch.cat([linear.bias for linear in inner]))
    copy_linear(to.out_proj, source.output)


def copy_layer(to: nn.Module, source: EncoderLayer | DecoderLayer) -> None:
    copy_attention(to.self_attn, source.self_attention)
    frames = [source.around_self, source.around_feed]
    if isinstance(source, DecoderLayer):
        copy_attention(to.multihead_attn, source.cross_attention)
        frames.insert(1, source.around_cross)
    copy_linear(to.linear1, source.feed_forward[0])
    copy_linear(to.linear2, source.feed_forward[2])
    for number, frame in enumerate(frames, start=1):
        assert isinstance(frame, Residual)
        getattr(to, f"norm{number}").load_state_dict(frame.norm.state_dict())


@torch.no_grad()
def torchs_own(network: Transformer) -> nn.Transformer:
    """Return torch's Transformer with the weights of ours, in float64."""
    config = network.config
    options = {
        "d_model": config.dim,
        "nhead": config.heads,
        "dim_feedforward": config.feed_forward_dim,
        "dropout": 0.0,
        "batch_first": True,
        "norm_first": config.norm == "pre",
        "dtype": torch.float64,
    }

    def last_norm() -> nn.LayerNorm | None:
        pre = config.norm == "pre"
        return nn.LayerNorm(config.dim, dtype=torch.float64) if pre else None

    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(**options),
        config.encoder_layers,
        last_norm(),
        enable_nested_tensor=False,
    )
    decoder = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(**options), config.decoder_layers, last_norm()
    )
    whole = nn.Transformer(
        config.dim,
        config.heads,
        custom_encoder=encoder,
        custom_decoder=decoder,
        batch_first=True,
    )
    # Only now: making the whole drew new weights for its parts.
    for stack, layers in ((encoder, network.encoder), (decoder, network.decoder)):
        for to, source in zip(stack.layers, layers, strict=True):
            copy_layer(to, source)
    if config.norm == "pre":
        encoder.norm.load_state_dict(network.encoder_norm.state_dict())
        decoder.norm.load_state_dict(network.decoder_norm.state_dict())
    return whole.eval()


@NORMS
@torch.no_grad()
def test_equals_torchs_transformer(norm: str) -> None:
    network = random_network(sizes(norm=norm)).double()
    src, tgt = random_batch(LENGTHS)
    out = torchs_own(network)(
        network.embed(src),
        network.embed(tgt),
        tgt_mask=torch.ones(tgt.shape[1], tgt.shape[1]).triu(1).bool(),
        src_key_padding_mask=src.eq(PAD),
        memory_key_padding_mask=src.eq(PAD),
    )
    real = tgt.ne(PAD)
    torch.testing.assert_close(network(src, tgt)[real], out[real], **CLOSE)


@NORMS
@torch.no_grad()
def test_padding_changes_nothing(norm: str) -> None:
    network = random_network(sizes(norm=norm)).double()
    src, tgt = random_batch(LENGTHS)
    together = network(src, tgt)
    for row, (s, t) in enumerate(LENGTHS):
        alone = network(src[row : row + 1, :s], tgt[row : row + 1, :t])
        torch.testing.assert_close(together[row, :t], alone[0], **CLOSE)


@torch.no_grad()
def test_the_decoder_does_not_see_ahead() -> None:
    network = random_network(sizes()).double()
    src, tgt = random_batch([(4, 6)])
    other = tgt.clone()
    other[:, 3:] = 7
    before, after = network(src, tgt), network(src, other)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@NORMS
@torch.no_grad()
def test_step_by_step_equals_all_at_once(norm: str) -> None:
    network = random_network(sizes(norm=norm)).double()
    src, tgt = random_batch(LENGTHS)
    memory, mask = network.encode(src), source_mask(src)
    at_once = network.decode(tgt, memory, mask)
    cache = network.start(memory)
    for t in range(tgt.shape[1]):
        states, cache = network.step(tgt[:, t], cache, mask)
        real = tgt[:, t].ne(PAD)
        torch.testing.assert_close(states[real], at_once[real, t], **CLOSE)


@NORMS
@torch.no_grad()
def test_records_may_begin_at_any_layer(norm: str) -> None:
    network = random_network(sizes(norm=norm)).double()
    src, tgt = random_batch(LENGTHS)
    records = list(network.records(src, tgt))
    assert len(records) == 3
    for layer, record in enumerate(records):
        alone = next(network.records(src, tgt, first=layer))
        torch.testing.assert_close(alone.weights, record.weights, **CLOSE)
        torch.testing.assert_close(alone.gram, record.gram, **CLOSE)


@pytest.mark.parametrize("whole", [False, True])
@torch.no_grad()
def test_records_are_of_the_forward_pass(whole: bool) -> None:
    """The weights are those with which torch's layers attend in the forward pass.

    With the whole target in view, torch's layers have no causal mask.
    """
    network = random_network(sizes(norm="post")).double()
    src, tgt = random_batch(LENGTHS)
    memory = network.encode(src)
    x = network.embed(tgt)
    causal = torch.ones(tgt.shape[1], tgt.shape[1]).triu(1).bool()
    mask = None if whole else causal
    options = {
        "tgt_mask": mask,
        "tgt_key_padding_mask": tgt.eq(PAD),
        "memory_key_padding_mask": src.eq(PAD),
    }
    records = network.records(src, tgt, whole=whole)
    for layer, record in zip(torchs_own(network).decoder.layers, records, strict=True):
        h = layer.self_attn(
            x, x, x, attn_mask=mask, key_padding_mask=tgt.eq(PAD), need_weights=False
        )[0]
        _, weights = layer.multihead_attn(
            layer.norm1(x + h),
            memory,
            memory,
            key_padding_mask=src.eq(PAD),
            average_attn_weights=False,
        )
        real = tgt.ne(PAD)[:, None, :, None].expand_as(weights)
        torch.testing.assert_close(record.weights[real], weights[real], **CLOSE)
        x = layer(x, memory, **options)


def test_nothing_is_computed_after_the_layer_that_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_network(sizes())
    src, tgt = random_batch(LENGTHS)

    monkeypatch.setattr(network, "logits", never)
    monkeypatch.setattr(network.decoder_norm, "forward", never)
    monkeypatch.setattr(network.decoder[1].feed_forward, "forward", never)
    monkeypatch.setattr(network.decoder[1].cross_attention.output, "forward", never)
    monkeypatch.setattr(network.decoder[2], "forward", never)
    monkeypatch.setattr(network.decoder[2], "attend_self", never)
    next(network.records(src, tgt, first=1))


def test_the_embedding_is_the_output_layer_too() -> None:
    network = Transformer(sizes(), 20)
    assert network.logits(torch.eye(16)).shape == (16, 20)
    assert torch.equal(network.logits(torch.eye(16)).T, network.embedding.weight)
    assert not network.embedding.weight[PAD].any()


def test_positions_are_the_papers() -> None:
    """Sine at even and cosine at odd dimensions, of position / 10000^(2i/D)."""
    found = sinusoids(40, 6, torch.device("cpu"))
    for position in range(40):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert found[position, 2 * i] == pytest.approx(math.sin(angle), abs=1e-5)
            assert found[position, 2 * i + 1] == pytest.approx(
                math.cos(angle), abs=1e-5
            )


def test_embedding_from_a_later_position_is_the_rest_of_the_whole() -> None:
    network = random_network(sizes())
    tokens = torch.tensor([[7, 8, 9, 10]])
    whole = network.embed(tokens)
    assert torch.equal(network.embed(tokens[:, 2:], first=2), whole[:, 2:])


def test_the_source_mask_is_left_out_where_nothing_is_padded() -> None:
    assert source_mask(padded([[7, 8], [9, 3]])) is None
    mask = source_mask(padded([[7, 8], [3]]))
    assert mask is not None
    assert mask.tolist() == [[[[True, True]]], [[[True, False]]]]


def test_every_weight_is_trained() -> None:
    network = random_network(sizes())
    src, tgt = random_batch(LENGTHS)
    network.logits(network(src, tgt)[tgt.ne(PAD)]).sin().sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None]
    assert not idle


def test_fresh_weights_come_from_the_seed() -> None:
    def fresh(seed: int) -> Tensor:
        torch.manual_seed(seed)
        network = Transformer(sizes(), 20)
        return nn.utils.parameters_to_vector(network.parameters())

    assert torch.equal(fresh(1), fresh(1))
    assert all(not torch.equal(a, b) for a, b in pairwise(map(fresh, [1, 2])))


@pytest.mark.parametrize("norm", ["pre", "post"])
@torch.no_grad()
def test_every_layer_is_told_what_is_expected(norm: str) -> None:
    """However the later ones are asked for; and only if it sees the whole target."""
    network = random_network(sizes(norm=norm))
    src, tgt = random_batch([(5, 4), (3, 7)])
    expected = torch.rand(2, tgt.shape[1] - 1, src.shape[1])
    told = list(network.records(src, tgt, whole=True, expected=expected))
    plain = list(network.records(src, tgt, whole=True))
    for layer in range(network.depth):
        (alone,) = network.records(
            src, tgt, first=layer, count=1, whole=True, expected=expected
        )
        torch.testing.assert_close(alone.weights, told[layer].weights)
        assert not torch.allclose(alone.weights, plain[layer].weights, atol=1e-3)
    for record, beyond in zip(
        told, sublayer_records(network, src, tgt, whole=True, expected=expected),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(record.weights, beyond.weights)
        torch.testing.assert_close(record.gram, beyond.attention.gram)


def test_the_attention_of_a_constant_layer_learns_nothing() -> None:
    """All else as ever: the states, and the other weights' gradients."""
    network = random_network(sizes(dropout=0.0))
    src, tgt = random_batch([(5, 4), (2, 6)], 20)
    gradients = []
    for constant in (None, 1):
        network.zero_grad()
        states = network.decode(tgt, network.encode(src), source_mask(src), constant)
        states.square().sum().backward()
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    ordinary, found = gradients
    for name, gradient in found.items():
        if name.startswith("decoder.1.") and "feed" not in name:
            assert gradient is None
            assert ordinary[name] is not None
        else:
            torch.testing.assert_close(gradient, ordinary[name])
