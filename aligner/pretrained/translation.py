"""Translation models of others by directory or name, whichever program they are of."""

import re
from pathlib import Path

from aligner.errors import ConfigError, ModelError
from aligner.pretrained.marian import is_marian, load_marian
from aligner.pretrained.one_way import OneWayModel
from aligner.terms import OneWay

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_foreign(name: str) -> bool:
    """Tell whether a name is that of a translation model of another program.

    A directory of Marian's or of `transformers`' files, or, where neither it nor the
    folder that it would lie in is there, a name on the Hugging Face hub.
    """
    path = Path(name)
    if path.is_dir():
        ours = (path / "config.toml").exists()
        return not ours and (_is_hub(path) or is_marian(path))
    return bool(HUB_NAME.fullmatch(name)) and not path.parent.exists()


def load_ways(
    name: str,
    reverse: str | None = None,
    languages: tuple[str, str] | None = None,
    device: str = "cpu",
) -> dict[OneWay, OneWayModel]:
    """Load a translation model of others, and the one of the other way if there is one.

    Args:
        name: of what reads the source and writes the target: a directory, or a hub
            name.
        reverse: likewise, of what reads the target; by default the same model, if it
            knows many languages.
        languages: the source's and the target's, by the models' own codes, where they
            know many.
        device: where they are to lie.

    Raises:
        ConfigError: something needed is not installed, or languages are missing, not
            known, or of no use.
        ModelError: one does not load, or is no such model.
    """
    turned = languages and languages[::-1]
    ways, told = _load(name, languages, device)
    if reverse is not None:
        [back, *_], back_told = _load(reverse, turned, device)
        ways, told = [ways[0], back], told or back_told
    if languages and not told:
        raise ConfigError(f"{name}: expected no --languages, as it knows one pair only")
    directions: tuple[OneWay, ...] = ("forward", "reverse")
    return dict(zip(directions, ways, strict=False))


def _load(
    name: str, languages: tuple[str, str] | None, device: str
) -> tuple[list[OneWayModel], bool]:
    """Return the one or two ways of a model, and whether it was told languages."""
    if _is_marian(name):
        return [load_marian(Path(name), device)], False
    from aligner.pretrained.hub import HubTranslation  # transformers takes seconds

    loaded = HubTranslation.load(name, device)
    if not loaded.knows_languages:
        return [loaded.one_way()], False
    src, tgt = languages or (None, None)
    ways = [loaded.one_way(src, tgt)]
    if loaded.is_multilingual:
        ways.append(loaded.one_way(tgt, src))
    return ways, True


def _is_marian(name: str) -> bool:
    """Tell which program a model is of.

    Raises:
        ModelError: it is a directory of none.
    """
    path = Path(name)
    if path.is_dir() and not _is_hub(path):
        if is_marian(path):
            return True
        raise ModelError(
            f"{name}: expected a translation model, by config.json of transformers or "
            "an .npz or .bin of Marian, got neither"
        )
    return False


def _is_hub(directory: Path) -> bool:
    found = (directory / "config.json").exists()
    return found or any(directory.glob("pytorch_model*.bin"))
