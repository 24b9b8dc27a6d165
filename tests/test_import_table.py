"""Who may import whom. The layering of the house is read from the source and held here."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

GROUND = {"errors", "records", "settings", "wording", "store", "shelf", "presets", "devices", "jobs"}
MIDDLE = {"models", "measure"}
STAGES = {"label", "train", "compose", "generate", "review", "listing", "tools"}
FACES = {"studio", "records", "errors"}

MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    "errors": set(),
    "records": {"errors"},
    "models": GROUND,
    "measure": GROUND | {"models"},
    **dict.fromkeys(STAGES, GROUND | MIDDLE),
    "studio": GROUND | MIDDLE | STAGES,
    "cli": FACES | {"demo", "api", "ui"},
    "demo": FACES,
    "api": FACES,
    "ui": FACES,
}
"""Part of studio/ -> parts that it may import; every part may import itself."""

ONLY_IN: dict[str, set[str]] = {
    "gradio": {"ui"},
    "fastapi": {"api"},
    "starlette": {"api"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
}
"""Library -> the parts that may import it at all."""

HEAVY = {"torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "controlnet_aux", "insightface"}
HEAVY_AT_TOP = ("studio/models/", "studio/measure/judge", "studio/train/loop", "studio/generate/engine")
"""Beginnings of the paths that may import a heavy library at module level. Others do it inside a function."""


class Import(NamedTuple):
    """One imported module: where, which, and whether it is imported as soon as the file is."""

    path: str
    line: int
    module: str
    at_import: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def part_of(module: str) -> str:
    """`studio.label.service` -> `label`; the package itself -> ``."""
    return module.split(".")[1] if "." in module else ""


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def walk(node: ast.AST, at_import: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Every node with whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_type_checking(child)
        yield child, at_import and not deferred
        yield from walk(child, at_import and not deferred)


def imports(path: Path) -> Iterator[Import]:
    """All imports of a file, those inside functions too."""
    name = path.relative_to(ROOT).as_posix()
    for node, at_import in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, node.lineno, alias.name, at_import)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: write imports in full"
            module = node.module or ""
            # `from studio import errors` imports studio.errors.
            names = [f"studio.{a.name}" for a in node.names] if module == "studio" else [module]
            for full in names:
                yield Import(name, node.lineno, full, at_import)


@functools.cache
def studio_imports() -> list[tuple[str, Import]]:
    """(part of studio, import) for every file under studio/."""
    found = []
    for path in sorted((ROOT / "studio").rglob("*.py")):
        part = path.relative_to(ROOT / "studio").parts[0].removesuffix(".py")
        found.extend((part, item) for item in imports(path))
    return found


def test_every_part_of_the_studio_has_its_row() -> None:
    parts = {p.name.removesuffix(".py") for p in (ROOT / "studio").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert parts - {"__init__", "__pycache__"} <= set(MAY_IMPORT)


def test_each_part_imports_only_what_its_row_allows() -> None:
    broken = [
        str(item)
        for part, item in studio_imports()
        if item.module.split(".")[0] == "studio"
        and part_of(item.module) not in MAY_IMPORT.get(part, set()) | {part, ""}
    ]
    assert broken == []


def test_studio_never_imports_what_builds_or_measures_it() -> None:
    outside = {"foundry", "benchmarks", "tests", "app"}
    assert [str(item) for _, item in studio_imports() if item.module.split(".")[0] in outside] == []


def test_libraries_with_one_home_stay_there() -> None:
    broken = [
        str(item) for part, item in studio_imports() if part not in ONLY_IN.get(item.module.split(".")[0], {part})
    ]
    assert broken == []


def test_heavy_libraries_are_imported_inside_functions() -> None:
    broken = [
        str(item)
        for _, item in studio_imports()
        if item.at_import and item.module.split(".")[0] in HEAVY and not item.path.startswith(HEAVY_AT_TOP)
    ]
    assert broken == []


def test_app_stands_on_the_faces_alone() -> None:
    ours = [item for item in imports(ROOT / "app.py") if item.module.split(".")[0] == "studio"]
    assert [str(i) for i in ours if part_of(i.module) not in {"cli", "ui", "api", "studio", "errors"}] == []


def test_the_faces_leave_heavy_libraries_unloaded() -> None:
    # One process imports one face after the other, so that the first one that loads something is named.
    code = (
        "import importlib, sys\n"
        "for face in ('studio.studio', 'studio.cli', 'studio.api', 'studio.ui'):\n"
        f"    importlib.import_module(face); print(face, sorted(set(sys.modules) & {HEAVY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if not line.endswith(" []")] == []
    assert done.stdout.splitlines()[-1].startswith("studio.ui")
