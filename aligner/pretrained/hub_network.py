"""Encoder-decoders of `transformers`, whose cross-attention is read by hooks.

The stock model runs; what its projections make of queries, keys and values is noted,
and the forward pass ends there. Nothing is patched. b_V is inside f, as the value
projection adds it; the output projection's bias is credited to no token. Where the
inner size differs from the model's, or there is no bias, or queries are not scaled, as
in T5, the same holds.

That the cross-attention is a softmax of scaled products, and its output the sum of the
vectors and a bias, is tried when a model is loaded: another kind is refused.
"""

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aligner.errors import ModelError
from aligner.nmt.attention import AttentionRecord, attention_weights, head_vectors
from aligner.text.subwords import BOS, EOS, PAD, SPECIALS, UNK

# What classes of `transformers` call a decoder layer's cross-attention, and its parts.
BART = ("q_proj", "k_proj", "v_proj", "out_proj")
PROJECTIONS = {
    "encoder_attn": BART,
    "cross_attention": BART,
    "EncDecAttention": ("q", "k", "v", "o"),
    "cross_attn": ("q_proj", "k_proj", "v_proj", "o_proj"),
}


class ModelIds(NamedTuple):
    """What a model's own vocabulary has for our specials.

    Attributes:
        pad: fills batches up; masked.
        unknown: what nothing else spells.
        end: what a source ends in.
        start: what the decoder is fed in front of the target.
        before: what it is fed in front of that.
    """

    pad: int
    unknown: int
    end: int
    start: int
    before: tuple[int, ...] = ()


class _Enough(Exception):
    """Ends a forward pass behind what is asked for."""


class HookedDecoder:
    """A model, and what the projections of its cross-attentions give.

    Attributes:
        layers: the cross-attentions, first layer first.
    """

    def __init__(self, name: str, model: Any) -> None:
        """Find the cross-attentions of a model, and put hooks on them.

        Raises:
            ModelError: there are none that are known.
        """
        self.name, self.model = name, model
        self.layers = _cross_attentions(name, model)
        self.names = [_names(name, layer) for layer in self.layers]
        for attention in self.layers:
            _check_plain(name, attention)
        self._seen = threading.local()  # each thread reads by itself
        for number, (layer, names) in enumerate(
            zip(self.layers, self.names, strict=True)
        ):
            for part, attribute in zip("qkv", names, strict=False):
                projection = getattr(layer, attribute)
                projection.register_forward_hook(self._noting(number, part))

    def heads(self, layer: int) -> int:
        """Return the number of heads of a layer."""
        attention = self.layers[layer]
        places = (
            (attention, "num_heads"),
            (attention, "n_heads"),
            (getattr(attention, "config", None), "num_attention_heads"),
        )
        for place, name in places:
            found = getattr(place, name, None)
            if isinstance(found, int):
                return found
        kind = type(attention).__name__
        raise ModelError(f"{self.name}: expected num_heads in a {kind}, got none")

    def output(self, layer: int) -> nn.Module:
        """Return a layer's output projection."""
        found: nn.Module = getattr(self.layers[layer], self.names[layer][3])
        return found

    def projections(
        self, src: Tensor, tgt: Tensor, real: Tensor, layers: range
    ) -> dict[int, dict[str, Tensor]]:
        """Return queries, keys and values, (B, H, T or S, K), of some layers.

        Args:
            src: (B, S) the model's own ids.
            tgt: (B, T) likewise.
            real: (B, S) true on what is no padding.
            layers: consecutive ones; nothing is computed behind the last.
        """
        mask = real.long()
        states = self.model.get_encoder()(input_ids=src, attention_mask=mask)[0]
        self._seen.layers, self._seen.asked = {}, layers
        try:
            self.model.get_decoder()(
                input_ids=tgt,
                encoder_hidden_states=states,
                encoder_attention_mask=mask,
                use_cache=False,
            )
        except _Enough:
            pass
        finally:
            found: dict[int, dict[str, Tensor]] = self._seen.layers
            del self._seen.layers, self._seen.asked
        return found

    def _noting(self, layer: int, part: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
            asked: range = getattr(self._seen, "asked", range(0))
            if layer not in asked:
                return
            parts = self._seen.layers.setdefault(layer, {})
            heads = self.heads(layer)
            parts[part] = output.view(*output.shape[:2], heads, -1).transpose(1, 2)
            if layer == asked[-1] and len(parts) == 3:
                raise _Enough

        return note


class HubNetwork:
    """A model of `transformers` as `CrossAttention` has it, from one language to one.

    Attributes:
        hooked: the model; several networks may share it.
        ids: what its vocabulary has for our specials.
    """

    def __init__(self, hooked: HookedDecoder, ids: ModelIds) -> None:
        """Take a model, and what stands around the sentences of two languages."""
        self.hooked, self.ids = hooked, ids
        self.depth = len(hooked.layers)
        self.heads = hooked.heads(0)
        table = [ids.unknown] * len(SPECIALS)
        table[PAD], table[UNK] = ids.pad, ids.unknown
        table[BOS], table[EOS] = ids.start, ids.end
        self._specials = torch.tensor(table)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        weight: Tensor = next(self.hooked.model.parameters())
        return weight.device

    def records(
        self,
        src: Tensor,
        tgt: Tensor,
        *,
        first: int = 0,
        count: int | None = None,
        whole: bool = False,
    ) -> Iterator[AttentionRecord]:
        """Yield what each decoder layer's cross-attention does, see `CrossAttention`.

        Such a decoder sees nothing ahead: `whole` is not to be asked for.
        """
        assert not whole, "a decoder of transformers sees nothing ahead"
        layers = range(first, self.depth)[:count]
        read, written, real = self.own_inputs(src, tgt)
        found = self.hooked.projections(read, written, real, layers)
        for layer in layers:
            parts = found.pop(layer)
            queries = parts["q"][:, :, len(self.ids.before) :]
            scale = getattr(self.hooked.layers[layer], "scaling", 1.0)
            mask = real[:, None, None, :]
            weights = attention_weights(queries * scale, parts["k"], mask)
            output = self.hooked.output(layer).weight
            assert isinstance(output, Tensor)
            f = head_vectors(parts["v"], output)
            yield AttentionRecord(weights, f @ f.transpose(-1, -2))

    def own_inputs(self, src: Tensor, tgt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return both sides in the model's own ids, and what of the source is real."""
        before = src.new_tensor(self.ids.before).expand(len(tgt), -1)
        written = torch.cat([before, self._own(tgt)], dim=1)
        return self._own(src), written, src.ne(PAD)

    def _own(self, ids: Tensor) -> Tensor:
        """Return the model's own ids of ours."""
        shift = len(SPECIALS)
        specials = self._specials.to(ids.device)[ids.clamp_max(shift - 1)]
        return torch.where(ids < shift, specials, ids - shift)


def _cross_attentions(name: str, model: Any) -> list[nn.Module]:
    found = [
        module
        for part, module in model.get_decoder().named_modules()
        if part.rpartition(".")[2] in PROJECTIONS
    ]
    if not found:
        raise ModelError(
            f"{name}: expected a decoder with cross-attention that is known "
            f"({', '.join(PROJECTIONS)}), got a {type(model).__name__}"
        )
    return found


def _check_plain(name: str, attention: nn.Module) -> None:
    """Check that each head has keys of its own, and that scores are as they come.

    Raises:
        ModelError: they are grouped, or capped, as in T5Gemma.
    """
    kind = type(attention).__name__
    if getattr(attention, "num_key_value_groups", 1) != 1:
        raise ModelError(
            f"{name}: expected a cross-attention with keys and values for each head, "
            f"got grouped heads in a {kind}"
        )
    if getattr(attention, "attn_logit_softcapping", None) is not None:
        raise ModelError(
            f"{name}: expected a cross-attention without attn_logit_softcapping, got a "
            f"{kind} with it"
        )


def _names(name: str, attention: nn.Module) -> tuple[str, str, str, str]:
    """Return what an attention's four projections are called."""
    for names in PROJECTIONS.values():
        if all(isinstance(getattr(attention, n, None), nn.Linear) for n in names):
            q, k, v, o = names
            return q, k, v, o
    raise ModelError(
        f"{name}: expected projections {', '.join(BART)}, or o_proj as the last, or q, "
        f"k, v, o in a {type(attention).__name__}, got others"
    )
