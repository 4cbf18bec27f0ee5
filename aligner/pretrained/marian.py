"""Load a directory of Marian's files: a model and its sentencepiece vocabularies.

As Marian, translateLocally and Firefox have them: `decoder.yml` or another file of
options names both under `models` and `vocabs`; without one, the only `.npz` or `.bin`
of a model and the only vocabulary, or a pair of them, are taken.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import sentencepiece

from aligner.errors import ModelError
from aligner.pretrained.marian_file import parse_yaml, read_marian
from aligner.pretrained.marian_network import MarianNetwork
from aligner.pretrained.one_way import OneWayModel, Pieces
from aligner.text.subwords import SPECIALS

Processor: TypeAlias = Any  # sentencepiece has no types

# Of torch, or a shortlist of words: no models of Marian.
OTHER_FILES = ("pytorch_model*", "lex.*", "training_args.bin")


def is_marian(directory: Path) -> bool:
    """Tell whether a directory holds a model of Marian, by the names of its files."""
    return not (directory / "config.json").exists() and bool(_models(directory))


def load_marian(directory: Path, device: str = "cpu") -> OneWayModel:
    """Load a model of Marian, ready to be read.

    Raises:
        ConfigError: `yaml` is not installed.
        ModelError: a file is missing, damaged, or asks for what is not supported.
    """
    model, (read, written) = _files(directory)
    vocabularies = {path: _vocabulary(path) for path in {read, written}}
    found = read_marian(model)
    try:
        ends = (vocabularies[path].eos_id() for path in (read, written))
        network = MarianNetwork(found, *ends)
    except ModelError as error:
        raise ModelError(f"{model}: {error}") from None
    for path, table in ((read, network.embedding), (written, network.written)):
        known, size = len(table.weight) - len(SPECIALS), len(vocabularies[path])
        if size > known:
            raise ModelError(
                f"{path}: expected {known} pieces at most, as {model.name} knows them, "
                f"got {size}"
            )
    return OneWayModel(
        str(directory),
        network.to(device).eval(),
        _pieces(vocabularies[read]),
        _pieces(vocabularies[written]),
    )


def _pieces(vocabulary: Processor) -> Pieces:
    def cut(word: str, /) -> Sequence[int]:
        return [len(SPECIALS) + i for i in vocabulary.encode(word)]

    return Pieces(cut)


def _vocabulary(path: Path) -> Processor:
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
        end = processor.eos_id()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except RuntimeError:
        raise ModelError(
            f"{path}: expected a sentencepiece model, got other data"
        ) from None
    if end < 0:
        raise ModelError(f"{path}: expected a vocabulary with </s>, got none")
    return processor


def _files(directory: Path) -> tuple[Path, tuple[Path, Path]]:
    """Return the model and the vocabularies of a directory, read and written.

    Raises:
        ModelError: they are not there, or nothing tells which ones they are.
    """
    for path in sorted(directory.glob("*.yml")):
        text = path.read_text(encoding="utf-8", errors="replace")
        options = parse_yaml(text, str(path))
        if {"models", "vocabs"} <= options.keys():
            models, vocabularies = (
                [directory / str(name) for name in options[key] or ()]
                for key in ("models", "vocabs")
            )
            if len(models) != 1 or len(vocabularies) != 2:
                raise ModelError(
                    f"{path}: expected one model and two vocabularies, got "
                    f"{len(models)} and {len(vocabularies)}"
                )
            return models[0], (vocabularies[0], vocabularies[1])
    models, vocabularies = _models(directory), sorted(directory.glob("*.spm"))
    if len(models) != 1:
        names = ", ".join(path.name for path in models)
        raise ModelError(f"{directory}: expected one model of Marian, got {names}")
    if len(vocabularies) == 2:
        vocabularies.sort(key=lambda path: path.name.startswith(("trg", "target")))
    if not 1 <= len(vocabularies) <= 2:
        raise ModelError(
            f"{directory}: expected one vocabulary of sentencepiece (*.spm), or one "
            f"for each side, got {len(vocabularies)}"
        )
    return models[0], (vocabularies[0], vocabularies[-1])


def _models(directory: Path) -> list[Path]:
    found = [*directory.glob("*.npz"), *directory.glob("*.bin")]
    return sorted(path for path in found if not any(map(path.match, OTHER_FILES)))
