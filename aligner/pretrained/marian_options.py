"""The options of Marian that are supported, and what they say of a model's sizes."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from aligner.errors import ModelError
from aligner.nmt.config import TransformerConfig, first_problem

# What Marian's options have to be; None where one is missing in older files.
EXPECTED: dict[str, tuple[Any, ...]] = {
    "type": ("transformer",),
    "transformer-preprocess": ("", None),
    "transformer-postprocess": ("dan", "an"),
    "transformer-postprocess-emb": ("d", "", None),
    "transformer-postprocess-top": ("", None),
    "transformer-decoder-autoreg": ("self-attention", "rnn", None),
    "transformer-ffn-activation": ("relu", "swish"),
    "transformer-decoder-ffn-activation": ("relu", "swish", None),
    "transformer-ffn-depth": (2, None),
    "transformer-decoder-ffn-depth": (2, 0, None),
    "transformer-train-position-embeddings": (False, None),
    "transformer-no-projection": (False, None),
    "transformer-rnn-projection": (False, None),
    "transformer-no-bias": (False, None),
    "transformer-no-affine": (False, None),
    "transformer-pool": (False, None),
    "transformer-tied-layers": ([], None),
    "lemma-dim-emb": (0, None),
    "input-types": ([], None),
    "ulr": (False, None),
    "right-left": (False, None),
}


def checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options if all are supported.

    Raises:
        ModelError: one is not.
    """
    for name, known in EXPECTED.items():
        if (found := options.get(name)) not in known:
            wanted = " or ".join(repr(one) for one in known if one is not None)
            raise ModelError(
                f"expected a model of Marian with {name} {wanted}, got {found!r}"
            )
    recurrent = options.get("transformer-decoder-autoreg") == "rnn"
    if recurrent and (cell := options.get("dec-cell")) != "ssru":
        raise ModelError(
            f"expected a model of Marian with dec-cell 'ssru', got {cell!r}"
        )
    return options


def sizes_of(options: Mapping[str, Any]) -> TransformerConfig:
    """Return the sizes of a model, by its options.

    Raises:
        ModelError: one is missing, or no such number.
    """
    names = {
        "dim": "dim-emb",
        "heads": "transformer-heads",
        "encoder_layers": "enc-depth",
        "decoder_layers": "dec-depth",
        "feed_forward_dim": "transformer-dim-ffn",
    }
    sizes: dict[str, Any] = {
        ours: options.get(theirs) for ours, theirs in names.items()
    }
    for ours, size in sizes.items():
        if not isinstance(size, int):
            raise ModelError(
                f"expected a model of Marian with a number {names[ours]}, got {size!r}"
            )
    try:
        return TransformerConfig(**sizes, dropout=0.0, norm="post")
    except ValidationError as error:
        raise ModelError(first_problem(error)) from error
