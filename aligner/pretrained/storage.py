"""How an encoder is read, in a file beside the prior: safetensors, no encoder."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from aligner.errors import ModelError
from aligner.files import replacing
from aligner.pretrained.encoder_evidence import Choice, EncoderEvidence
from aligner.pretrained.prior_with_encoder import PriorWithEncoder
from aligner.pretrained.word_encoder import WordEncoder
from aligner.prior.prior import Prior
from aligner.prior.storage import save_prior
from aligner.terms import PRESETS

ENCODER = "encoder.safetensors"  # beside the prior that it was chosen with
PARTS = ("layer", "sharpness", "null", "means", "thresholds", "mark")


def save_known(directory: Path, known: Prior | PriorWithEncoder) -> None:
    """Write a prior, and how an encoder is read beside it, if there is one."""
    if isinstance(known, PriorWithEncoder):
        save_prior(directory, known.prior)
        save_choice(directory, known)
    else:
        save_prior(directory, known)
        (directory / ENCODER).unlink(missing_ok=True)


def save_choice(directory: Path, both: PriorWithEncoder) -> None:
    """Write how an encoder is read beside a prior; the encoder itself stays its own."""
    evidence = both.evidence
    layer, sharpness, null, means = evidence.choice
    arrays = {
        "layer": np.array(layer),
        "sharpness": np.array(sharpness),
        "null": np.array(null),
        "means": means,
        "thresholds": both.thresholds,
        "mark": evidence.encoder.mark,
    }
    directory.mkdir(parents=True, exist_ok=True)
    with replacing(directory / ENCODER) as beside:
        beside.write_bytes(save(arrays))


def load_with_encoder(
    directory: Path, prior: Prior, encoder: WordEncoder
) -> PriorWithEncoder:
    """Return a prior with an encoder, read as was chosen when both were kept.

    Raises:
        ModelError: nothing was chosen there, the file is damaged, or it is of another
            encoder.
    """
    path = directory / ENCODER
    if not path.exists():
        raise ModelError(
            f"{directory}: expected it to be learnt with an encoder, but {ENCODER} is "
            "missing"
        )
    try:
        arrays = load_file(path)
        layer, sharpness, null, means, thresholds, mark = map(arrays.__getitem__, PARTS)
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
    if (
        means.shape != (2, encoder.dim)
        or thresholds.shape != (len(PRESETS),)
        or not 1 <= int(layer) <= encoder.depth
        or not all(np.isfinite(arrays[name]).all() for name in PARTS)
    ):
        raise ModelError(f"{path}: expected how an encoder is read, got unfit numbers")
    choice = Choice(int(layer), float(sharpness), float(null), means)
    return PriorWithEncoder(prior, EncoderEvidence(encoder, choice), thresholds)
