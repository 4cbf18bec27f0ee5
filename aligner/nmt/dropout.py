"""Dropout by cheap random numbers."""

import torch
from torch import Tensor, nn

STEPS = 256  # a random byte decides, so shares are rounded to multiples of 1/256


class Dropout(nn.Dropout):
    """Dropout that takes one random byte a value on the CPU, not a random float.

    torch draws them one by one, which costs more there than all else that dropout
    does; of one 64-bit draw come eight bytes. Elsewhere it is torch's own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a share of its values set to 0, the others scaled up."""
        dropped = min(round(self.p * STEPS), STEPS - 1)
        if not self.training or x.device.type != "cpu" or not dropped:
            return super().forward(x)
        draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64)
        draws.random_(-(2**63), None)
        random = draws.view(torch.uint8)[: x.numel()].view(x.shape)
        scale = STEPS / (STEPS - dropped)
        return x * (random >= dropped).to(x.dtype).mul_(scale)
