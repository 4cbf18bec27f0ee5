"""The precision that a network computes in, and the ways to attend that are fast."""

from contextlib import AbstractContextManager
from typing import get_args

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from aligner.terms import Precision, check_term


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """Return the type that a recipe's `precision` stands for on a device.

    `auto` is bfloat16 where the processor multiplies it in hardware. On a CPU, oneDNN
    keeps code for the last 1024 shapes that it has multiplied in bfloat16, and torch
    keeps it once more: gigabytes, as batches have ever new shapes. Those of one update
    are enough: set `ONEDNN_PRIMITIVE_CACHE_CAPACITY` and `LRU_CACHE_CAPACITY` to 64 in
    the environment before the first product, as the command line does.

    Raises:
        ConfigError: an unknown precision.
    """
    check_term("precision", name, get_args(Precision))
    if name == "auto":
        name = "bfloat16" if _has_bfloat16(device) else "float32"
    return torch.float32 if name == "float32" else torch.bfloat16


def computing(precision: str, device: torch.device) -> torch.autocast:
    """Return autocast as forward passes that nothing is learnt from have it."""
    is_half = precision_of(precision, device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=is_half)


def attention_kernels(device: torch.device) -> AbstractContextManager[None]:
    """Let torch choose among the ways to attend that are fast on a device."""
    # At sentence lengths on a CPU, plain matrix products beat torch's fused attention.
    kernels = [SDPBackend.MATH]
    if device.type != "cpu":
        kernels += [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
    limited: AbstractContextManager[None] = sdpa_kernel(kernels)
    return limited


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(
        torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    )
