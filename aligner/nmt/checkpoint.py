"""A model directory: everything that aligning and translating need, and no more.

config.toml        the configuration that the model was trained with
subwords.model     sentencepiece (two files where the vocabularies are separate)
model.safetensors  the weights with the lowest loss on held-out text
prior.safetensors  the statistical prior, where one guided the training; and
                   encoder.safetensors, how an encoder is read that guided too
meta.json          version, seed, digests of the data, training figures, and the
                   layer, rows and thresholds chosen for alignment
training/          what resuming needs; can be deleted
log.jsonl          the training's figures, one line an interval
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from aligner.errors import ConfigError, ModelError
from aligner.files import replacing, write_whole
from aligner.nmt.config import Config, config_of, read_toml
from aligner.nmt.model_meta import META, ModelMeta, read_meta
from aligner.nmt.transformer import Transformer
from aligner.prior.prior import Prior
from aligner.prior.storage import PRIOR, load_prior
from aligner.text.subwords import Subwords

CONFIG, WEIGHTS = "config.toml", "model.safetensors"
# Keys of `[training]` that a model of an earlier version lacks, and that it has.
LATER = {"prediction_weight", "translate_every", "hide_target"}
GONE = {"rounds"}


@dataclass(frozen=True)
class TranslationModel:
    """A trained model as it lies in its directory."""

    config: Config
    subwords: Subwords
    network: Transformer
    meta: ModelMeta
    prior: Prior | None = None

    @property
    def is_guided(self) -> bool:
        """Whether its attention was trained towards given alignments."""
        return self.meta.files.guide != "none"


def save_weights(directory: Path, network: Transformer) -> None:
    """Write the network's weights into a model directory."""
    weights = {k: v.detach().cpu().contiguous() for k, v in network.named_parameters()}
    with replacing(directory / WEIGHTS) as beside:
        beside.write_bytes(save(weights))  # save_file would report no OSError


def save_recipe(directory: Path, config: Config, subwords: Subwords) -> None:
    """Write the configuration and the subwords into a new model directory."""
    write_whole(directory / CONFIG, config.to_toml())
    subwords.save(directory)


def load_model(directory: Path, device: str | torch.device = "cpu") -> TranslationModel:
    """Load a model directory, ready to use, in evaluation mode.

    Raises:
        ModelError: a file is missing, damaged, or of some other program.
    """
    check_model(directory)
    meta = read_meta(directory)
    config = read_stored_config(directory)
    subwords = load_subwords(directory, config)
    network = Transformer(config.transformer, subwords.vocab_size)
    load_weights(directory, network)
    expected = meta.files.guide == "auto" or (directory / PRIOR).exists()
    prior = None
    if expected:  # earlier versions did not note the case in the prior itself
        lowercase = config.subwords.lowercase
        prior = replace(load_prior(directory), lowercase=lowercase)
    return TranslationModel(config, subwords, network.to(device).eval(), meta, prior)


def load_subwords(directory: Path, config: Config) -> Subwords:
    """Load a model directory's subwords, by its configuration.

    Raises:
        ModelError: a file is missing or damaged.
    """
    sizes = config.subwords
    return Subwords.load(directory, joint=sizes.joint, lowercase=sizes.lowercase)


def check_model(directory: Path) -> None:
    """Check that a directory looks like a model.

    Raises:
        ModelError: it doesn't, or a file is missing.
    """
    if not directory.is_dir():
        raise ModelError(f"{directory}: no such model directory")
    seeds = sorted(directory.glob(f"seed-*/{CONFIG}"))
    if seeds and not (directory / CONFIG).is_file():
        raise ModelError(
            f"{directory}: expected one model, got a directory of {len(seeds)}, "
            f"such as {seeds[0].parent}"
        )
    for name in (CONFIG, WEIGHTS, META):
        if not (directory / name).is_file():
            raise ModelError(f"{directory}: not a whole model: {name} is missing")


def load_weights(directory: Path, network: Transformer) -> None:
    """Load a model directory's weights into a network of the same shape.

    Raises:
        ModelError: the file is damaged, or its weights are another model's.
    """
    path = directory / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a whole safetensors file: {error}") from error
    expected = dict(network.named_parameters())
    if strange := sorted(expected.keys() ^ weights.keys()):
        raise ModelError(
            f"{path}: its weights do not fit {CONFIG}: {strange[0]!r} is in one only"
        )
    for name, parameter in expected.items():
        if weights[name].shape != parameter.shape:
            raise ModelError(
                f"{path}: {name} should be {tuple(parameter.shape)} by {CONFIG} and "
                f"the vocabulary, but is {tuple(weights[name].shape)}"
            )
        check_finite(weights[name], f"{path}: {name}")
    network.load_state_dict(weights)


def check_finite(values: torch.Tensor, what: str) -> None:
    """Check that numbers of a network are numbers.

    Raises:
        ModelError: one is NaN or infinite.
    """
    if not bool(values.isfinite().all()):
        raise ModelError(f"{what}: expected finite numbers, got NaN or infinity")


def read_stored_config(directory: Path) -> Config:
    """Read the configuration that a model was trained with.

    Unlike a recipe it must hold every key: in a file cut short, a default would step
    in for the number of heads, say, and nothing else would tell. Of an earlier version,
    it may have keys that are gone and lack later ones.

    Raises:
        ModelError: the file is damaged, or not whole.
    """
    path = directory / CONFIG
    try:
        content = read_toml(path)
        if isinstance(training := content.get("training"), dict):
            content["training"] = {k: v for k, v in training.items() if k not in GONE}
        config = config_of(content, path)
    except ConfigError as error:
        raise ModelError(str(error)) from error
    for name, section in config:
        for key in type(section).model_fields:
            if key not in section.model_fields_set | LATER:
                raise ModelError(f"{path}: not whole: {name}.{key} is missing")
    return config
