"""The words that options, arguments and stored choices are made of, each defined once.

Here, where torch is not needed, so that the command line can offer them.
"""

from typing import Any, Literal

from aligner.errors import ConfigError

# Forward, each target word chooses a source word; reverse, the other way round.
OneWay = Literal["forward", "reverse"]
Direction = Literal["both", "forward", "reverse"]
TrainedDirection = Literal["both", "forward"]
# Where the decoder is fed a target word, where it predicts it, or where it is fed it
# with the whole target in view.
Rows = Literal["awi", "awo", "full"]
# `norm` is the norm of the (summed) vectors, `weight` the (mean) attention weight, the
# baseline; `resln` the norm after residual sum and layer normalisation; `alti-l1` and
# `alti-l2` the contributions of ALTI: see `extraction/contributions.py`.
Score = Literal["norm", "weight", "resln", "alti-l1", "alti-l2"]
# `soft` joins both directions by their scores, the others by their links, as in Moses.
Symmetrization = Literal[
    "intersection",
    "union",
    "grow",
    "grow-diag",
    "grow-diag-final",
    "grow-diag-final-and",
    "soft",
]
# How `soft` joins a link's two scores, see `links/matching.py`.
Mean = Literal["harmonic", "power"]
Preset = Literal["precise", "balanced", "recall"]
# How much recall counts beside precision: the β of the F-measure that is foretold.
PRESETS: dict[Preset, float] = {"precise": 0.5, "balanced": 1.0, "recall": 2.0}
Precision = Literal["auto", "float32", "bfloat16"]
Side = Literal["src", "tgt"]
# What links are written as; what places in a line are counted in; the sides of which
# every word is to have a link.
LinkFormat = Literal["pharaoh", "jsonl", "tsv"]
Offsets = Literal["codepoints", "bytes", "utf16"]
Cover = Literal["src", "tgt", "both"]
GoldFormat = Literal["pharaoh", "talp", "naacl"]


def check_term(name: str, value: Any, terms: tuple[str, ...]) -> None:
    """Check that what is called so is one of some words.

    Raises:
        ConfigError: it is not.
    """
    if value not in terms:
        raise ConfigError(f"{name}: expected one of {', '.join(terms)}, got {value!r}")
