"""What `import aligner` offers: no more and no less, and at no cost."""

import ast
import re
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from conftest import Run, outcome, start
from small_encoders import save_encoder

import aligner

STRICT = "import warnings; warnings.simplefilter('error')\n"


def test_public_names() -> None:
    assert aligner.__all__ == sorted(aligner.__all__)
    assert aligner.__all__ == [
        "AlignBatch",
        "AlignedPair",
        "Aligner",
        "AlignerError",
        "Alignment",
        "AlignmentScore",
        "Comparison",
        "Config",
        "ConfigError",
        "CorpusError",
        "EncoderShare",
        "GoldAlignment",
        "LinkFormatError",
        "LinkRule",
        "ModelError",
        "Prior",
        "PriorPass",
        "PriorWithEncoder",
        "Reading",
        "ScoreIntervals",
        "Sentence",
        "TrainingError",
        "TrainingReport",
        "TrainingStopped",
        "bootstrap_intervals",
        "compare",
        "estimate_prior",
        "format_gold",
        "format_json",
        "format_pharaoh",
        "load_prior",
        "parse_pharaoh",
        "read_config",
        "read_gold",
        "read_links",
        "read_pharaoh",
        "retokenize",
        "save_prior",
        "score",
        "symmetrize",
        "train",
        "word_tokenizer",
    ]


@pytest.mark.parametrize("name", aligner.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(aligner, name)
    assert value is getattr(aligner, name)
    assert value.__doc__
    assert name in dir(aligner)


def test_type_checkers_see_every_name() -> None:
    tree = ast.parse(Path(aligner.__file__).read_text(encoding="utf-8"))
    imported = [
        (node.module, alias.asname)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    ]
    assert {name: module for module, name in imported} == aligner._MODULES
    assert sorted(aligner._MODULES) == aligner.__all__


def test_other_names_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'aligner' has no attribute 'x'"):
        aligner.x  # noqa: B018


@pytest.mark.process
def test_nothing_heavy_is_loaded_before_it_is_asked_for() -> None:
    light = "read_gold, read_pharaoh, score, symmetrize, AlignerError, GoldAlignment"
    code = f"import sys; from aligner import {light}; print('torch' in sys.modules)"
    result = outcome(start(["-W", "error", "-c", code], [sys.executable]))
    assert (result.code, result.out) == (0, "False\n"), result.err


def test_the_example_of_the_docstring_works(run: Run, tmp_path: Path) -> None:
    doc = aligner.__doc__ or ""
    indented = [
        line for line in doc.splitlines() if line.startswith("    ") or not line
    ]
    example = textwrap.dedent("\n".join(indented)).strip()
    assert len(example.splitlines()) <= 12
    result = run(program=STRICT + example, cwd=tmp_path)
    assert result.code == 0, result.err
    links, _, scores = result.out.strip().rpartition("] ")
    assert links == "[(0, 0), (1, 1)"
    assert scores.endswith(" 0.0")


def test_the_page_on_python_has_an_example_of_every_name(
    run: Run, tmp_path: Path
) -> None:
    page = Path(__file__).parent.parent / "docs" / "python.md"
    blocks = re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    )
    code = "\n".join(blocks)
    save_encoder("bert", tmp_path / "multilingual-e5-small")
    uses = Counter(re.findall(r"\w+", code))  # the import is one
    assert [name for name in aligner.__all__ if uses[name] < 2] == []
    result = run(program=STRICT + code, cwd=tmp_path)
    assert result.code == 0, result.err
    assert "stopped at step" in result.out
