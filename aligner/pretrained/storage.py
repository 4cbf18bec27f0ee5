"""How an encoder is read, in a file beside the prior: safetensors, no encoder."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from aligner.errors import ModelError
from aligner.files import replacing
from aligner.pretrained.encoder_evidence import Choice, EncoderEvidence
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.storage import PRIOR
from aligner.terms import PRESETS

ENCODER = "encoder.safetensors"  # beside the prior that it was chosen with
PARTS = ("layer", "sharpness", "null", "means", "thresholds", "mark", "prior")

Doubles = NDArray[np.float64]


def save_choice(
    directory: Path, evidence: EncoderEvidence, thresholds: Doubles
) -> None:
    """Write how an encoder is read beside the prior that lies in a directory."""
    layer, sharpness, null, means = evidence.choice
    arrays = {
        "layer": np.array(layer),
        "sharpness": np.array(sharpness),
        "null": np.array(null),
        "means": means,
        "thresholds": thresholds,
        "mark": evidence.encoder.mark,
        "prior": _digest(directory / PRIOR),
    }
    with replacing(directory / ENCODER) as beside:
        beside.write_bytes(save(arrays))


def has_choice(directory: Path) -> bool:
    """Return whether an encoder was chosen beside a directory's prior."""
    return (directory / ENCODER).exists()


def forget_choice(directory: Path) -> None:
    """Remove what was chosen beside an earlier prior of a directory."""
    (directory / ENCODER).unlink(missing_ok=True)


def load_choice(
    directory: Path, encoder: WordEncoder
) -> tuple[EncoderEvidence, Doubles]:
    """Return an encoder, read as was chosen beside a directory's prior; thresholds.

    Raises:
        ModelError: nothing was chosen there, the file is damaged, or it is of another
            encoder or prior.
    """
    path = directory / ENCODER
    if not has_choice(directory):
        raise ModelError(
            f"{directory}: expected it to be learnt with an encoder, or text in files "
            f"to choose by, but {ENCODER} is missing"
        )
    try:
        arrays = load_file(path)
        layer, sharpness, null, means, thresholds, mark, prior = map(
            arrays.__getitem__, PARTS
        )
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a whole safetensors file: {error}") from error
    except KeyError as error:
        raise ModelError(
            f"{path}: expected how an encoder is read, no {error}"
        ) from None
    if not np.array_equal(mark, encoder.mark):
        raise ModelError(
            f"{encoder.name}: expected the encoder that {directory} was learnt with, "
            "got another"
        )
    if not np.array_equal(prior, _digest(directory / PRIOR)):
        raise ModelError(f"{path}: expected the prior that it was chosen with beside")
    if (
        not layer.shape == sharpness.shape == null.shape == ()
        or means.shape != (2, encoder.dim)
        or thresholds.shape != (len(PRESETS),)
        or not 1 <= int(layer) <= encoder.depth
        or not all(np.isfinite(arrays[name]).all() for name in PARTS)
    ):
        raise ModelError(f"{path}: expected how an encoder is read, got unfit numbers")
    choice = Choice(int(layer), float(sharpness), float(null), means)
    return EncoderEvidence(encoder, choice), thresholds


def _digest(path: Path) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        return np.frombuffer(hashlib.file_digest(file, "sha256").digest(), np.uint8)
