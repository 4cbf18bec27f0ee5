"""What a training minimises, in the precision that it computes in."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from aligner.nmt.batching import Batch
from aligner.nmt.config import TrainingConfig
from aligner.nmt.precision import attention_kernels, precision_of
from aligner.nmt.transformer import Transformer
from aligner.training.loss import guided_losses, translation_loss

EMBEDDING = "embedding.weight"


class Objective(nn.Module):
    """The translation loss of a batch, and the guided layer's.

    The weights, their gradients and the optimizer stay in float32. In bfloat16, all
    weights are cast once a batch, and what is computed from them stays in bfloat16,
    but for the loss, sums and softmaxes: casting at every operation, as autocast does,
    takes a tenth of the time of a small model. Embeddings are looked up in float32: the
    gradient of a frequent subword adds up far more of them than bfloat16 can count.
    """

    def __init__(self, network: Transformer, config: TrainingConfig) -> None:
        """Take a network on the device that it is trained on."""
        super().__init__()
        self.losses = Losses(network, config)
        self.device = next(network.parameters()).device
        self.dtype = precision_of(config.precision, self.device)

    def forward(
        self,
        batch: Batch,
        guide: Tensor | None,
        expected: Tensor | None = None,
        translates: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Return both losses, summed over the batch, in nats; either may be 0.

        Arguments as for `Losses.forward`.
        """
        given = batch, guide, expected, translates
        with attention_kernels(self.device):
            if self.dtype == torch.float32:
                losses: tuple[Tensor, Tensor] = self.losses(*given)
                return losses
            weights = {
                name: weight if name.endswith(EMBEDDING) else weight.to(self.dtype)
                for name, weight in self.losses.named_parameters()
            }
            return functional_call(self.losses, weights, given)  # type: ignore[no-any-return]


class Losses(nn.Module):
    """Both losses, in the precision of the network's weights."""

    def __init__(self, network: Transformer, config: TrainingConfig) -> None:
        """Take what the losses depend on."""
        super().__init__()
        self.network = network
        self.smoothing = config.label_smoothing
        self.layer = config.guide_layer - 1
        self.weights = config.guide_weight, config.prediction_weight
        self.hide = config.hide_target

    def forward(
        self,
        batch: Batch,
        guide: Tensor | None,
        expected: Tensor | None = None,
        translates: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Return the translation loss, and the guided layer's losses, weighted.

        Args:
            batch: what is learnt from.
            guide: (B, T - 1, S) where the guided layer is to look, if there is a guide.
            expected: (B, T - 1, S) where it is told beforehand to look, if it is.
            translates: whether translation is learnt from this batch too.
        """
        network = self.network
        memory = network.encode(batch.src)
        nothing = torch.zeros((), dtype=torch.float32, device=memory.device)
        loss = guided = nothing
        if translates:
            # What the guided layer has learnt, the next word would have it unlearn.
            constant = None if guide is None else self.layer
            loss = translation_loss(network, batch, self.smoothing, memory, constant)
        if guide is not None:
            losses = guided_losses(
                network, batch, guide, self.layer, memory=memory, expected=expected,
                hide=self.hide,
            )  # fmt: skip
            guided = sum(map(torch.mul, self.weights, losses), nothing)
        return loss, guided
