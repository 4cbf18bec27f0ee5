"""Whether a model's cross-attention is one that can be read, tried on a few tokens."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aligner.errors import ModelError
from aligner.nmt.attention import attention_weights, head_vectors
from aligner.pretrained.hub_network import HookedDecoder

EXACT = 1e-3  # relative: how near the sum of vectors has to come to the model's output


@torch.inference_mode()
def check_sums(hooked: HookedDecoder, ids: Sequence[int]) -> None:
    """Check that each cross-attention's output is Σ_j α f(x_j) and a bias.

    Args:
        hooked: the model.
        ids: some tokens of its vocabulary.

    Raises:
        ModelError: it is not, or the model does not run so: it is of another kind.
    """
    name, model = hooked.name, hooked.model
    kind, outputs = type(model).__name__, dict[int, Tensor]()

    def taker(number: int) -> Any:
        def take(module: nn.Module, inputs: Any, output: Tensor) -> None:
            outputs[number] = output

        return take

    handles = [
        hooked.output(number).register_forward_hook(taker(number))
        for number in range(len(hooked.layers))
    ]
    some = torch.tensor([list(ids)], device=next(model.parameters()).device)
    try:
        # One layer more than there are: the pass does not end early.
        layers = range(len(hooked.layers) + 1)
        found = hooked.projections(some, some, torch.ones_like(some).bool(), layers)
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{name}: expected a translation model that reads tokens, got a {kind}: "
            f"{reason}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    for number, attention in enumerate(hooked.layers):
        parts, projection = found[number], hooked.output(number)
        scale = getattr(attention, "scaling", 1.0)
        weights = attention_weights(parts["q"] * scale, parts["k"], None)
        assert isinstance(projection.weight, Tensor)
        f = head_vectors(parts["v"], projection.weight)
        summed = torch.einsum("bhts,bshd->btd", weights, f)
        if isinstance(projection.bias, Tensor):
            summed = summed + projection.bias
        expected = outputs[number]
        if not (summed - expected).norm() <= EXACT * expected.norm():
            raise ModelError(
                f"{name}: expected a cross-attention whose output is a sum of the "
                f"source's vectors, got another kind in layer {number + 1} of a {kind}"
            )
