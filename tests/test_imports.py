"""The layers import in one direction, and light commands never load torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aligner"
LAYERS = [
    "errors",
    "compression",
    "links",
    "text",
    "prior",
    "nmt",
    "extraction",
    "analysis",
    "cli",
]


def imported_layers(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative import"
            modules = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            modules = [a.name for a in node.names]
        else:
            continue
        names |= {m.split(".")[1] for m in modules if m.startswith("aligner.")}
    return names & set(LAYERS)


@pytest.mark.parametrize(
    "module",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda m: str(m.relative_to(PACKAGE)),
)
def test_imports_point_to_lower_layers(module: Path) -> None:
    layer = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if layer in {"__init__", "__main__"}:
        return
    rank = LAYERS.index(layer)
    upward = {n for n in imported_layers(module) if LAYERS.index(n) > rank}
    assert not upward


def test_links_never_load_torch() -> None:
    modules = [
        f"aligner.links.{m.stem}"
        for m in (PACKAGE / "links").glob("*.py")
        if m.stem != "__init__"
    ]
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
