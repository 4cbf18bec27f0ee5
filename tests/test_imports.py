"""The layers import in one direction, without circles, and some without torch."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aligner"
LAYERS = [
    "errors",
    "ranges",
    "terms",
    "packed",
    "files",
    "processors",
    "links",
    "text",
    "sample",
    "prior",
    "nmt",
    "pretrained",
    "extraction",
    "training",
    "analysis",
    "view",
    "cli",
]
MODULES = {
    ".".join(("aligner", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.parent != PACKAGE or path.stem in LAYERS
}


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a file names in its imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inside & MODULES.keys() or {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names & MODULES.keys()


def layer_of(module: str) -> int:
    return LAYERS.index(module.split(".")[1])


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_lower_layers(module: str) -> None:
    upward = {n for n in imported(MODULES[module]) if layer_of(n) > layer_of(module)}
    assert not upward


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported(path) - {name} for name, path in MODULES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_tree_in_contributing_is_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    inside = re.search(r"^aligner/\n((?: +.*\n)+)", text, re.MULTILINE)
    assert inside
    named = re.findall(r"^ {2}(\w+)(?:/|\.py) ", inside[1], re.MULTILINE)
    assert named == LAYERS
    outside = re.findall(r"^(\w+)/ ", text, re.MULTILINE)
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    folders = {line.split("/")[0] for line in tracked.stdout.split() if "/" in line}
    assert set(outside) == folders - {"aligner", ".ci"}


def test_links_never_load_torch() -> None:
    modules = [name for name in MODULES if name.startswith("aligner.links.")]
    modules = [name for name in modules if not name.endswith("__init__")]
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
