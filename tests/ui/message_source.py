"""Finds in the source every text that a person may come to read on the page: what errors, faults and findings are
given, and every other sentence that a service holds. An f-string becomes a template: `"No base {name!r}."` is read as
`No base {}.`
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("cli", "demo", "wording", "api/login.py", "ui/words.py")
"""What never reaches the page: the command line, the demo, captions for the base, and the login's own page."""
SPEAKERS = frozenset({"Fault", "Finding", "Words", "Device", "Capability", "RuleVerdict", "Cancelled", "FaultsError"})
"""Besides everything that is called `...Error`: what takes words for people in any of its arguments."""
HELPERS = frozenset(
    {
        "_refuse",
        "_refused",
        "_plain",
        "append",
        "CopySources",
        "_no",
        "_absent",
        "_left_out",
        "_sample_in",
        "_clipping",
        "progress",
        "fail",
    }
)
"""Functions that hand such words on."""
NAMES = frozenset(
    {"message", "what", "why", "note", "few", "unread", "flag", "fix", "reason", "missing", "words", "limit"}
)
"""Variables and fields that hold such words before they are handed on."""
RETURNING = (
    "measure/judge.py",
    "listing/channels.py",
    "listing/licences.py",
    "compose/skeleton.py",
    "review/measured.py",
)
"""Modules whose functions return parts of such words."""
INTERNAL = frozenset({"ValueError", "TypeError", "IndexError", "KeyError", "RuntimeError", "AssertionError"})
"""Raised for programs; where a record is checked they reach people all the same."""


class Template(NamedTuple):
    """A text with `{}` for whatever is filled in, and where it stands."""

    text: str
    place: str


def templates() -> list[Template]:
    """Every template of all services and of the page's own actions."""
    found: dict[str, Template] = {}
    for path in sorted((ROOT / "studio").rglob("*.py")):
        inside = path.relative_to(ROOT / "studio").as_posix()
        if not inside.startswith(ELSEWHERE):
            for node in spoken(ast.parse(path.read_text(encoding="utf-8")), inside):
                for text in texts(node):
                    template = text.strip()
                    if says_something(template):
                        found.setdefault(template, Template(template, f"studio/{inside}:{node.lineno}"))
    return list(found.values())


def says_something(template: str) -> bool:
    """Whether there is anything to translate: names, codes and mere punctuation are not."""
    words = re.findall(r"[^\W\d_]{2,}", template.replace("{}", " "))
    return " " in template and (len(words) > 1 or (len(words) == 1 and template.endswith((".", ":"))))


def texts(node: ast.AST) -> list[str]:
    """The templates that an expression may become: both branches of a condition, both sides of an `or`."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)]  # type: ignore[misc]
    if isinstance(node, ast.IfExp):
        return texts(node.body) + texts(node.orelse)
    if isinstance(node, ast.BoolOp | ast.Tuple):
        return [text for value in (node.values if isinstance(node, ast.BoolOp) else node.elts) for text in texts(value)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = texts(node.left) or ["{}"], texts(node.right) or ["{}"]
        return [one + other for one in left for other in right]
    return []


def spoken(tree: ast.Module, inside: str) -> Iterator[ast.expr]:
    """The expressions of a module that hold words for people."""
    silent = {id(part) for node in ast.walk(tree) if _unheard(node, inside) for part in ast.walk(node)}
    silent |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            handed = _name(node).endswith("Error") or _name(node) in SPEAKERS | HELPERS
            yield from (a for a in node.args if handed and id(a) not in silent)
            yield from (k.value for k in node.keywords if (handed or k.arg in NAMES) and id(k.value) not in silent)
        elif isinstance(node, ast.Assign | ast.Yield | ast.Return):
            yield from [node.value] if node.value is not None and _hands_on(node, inside) else []
        elif isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and id(node) not in silent:
            yield from [node] if any(re.search(r"\w.* .*[.:]$", text) for text in texts(node)) else []


def _hands_on(node: ast.Assign | ast.Yield | ast.Return, inside: str) -> bool:
    """Whether words for people are kept, or given back, for somebody else to say."""
    if isinstance(node, ast.Assign):
        return bool({ast.unparse(target) for target in node.targets} & NAMES)
    return inside in RETURNING if isinstance(node, ast.Return) else isinstance(node.value, ast.Tuple)


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _unheard(node: ast.AST, inside: str) -> bool:
    """Docstrings, parts of f-strings, logs, patterns, and errors that only programmers see."""
    if isinstance(node, ast.Call):
        internal = _name(node) in INTERNAL and not inside.startswith(("records/", "review/rules.py"))
        return internal or ast.unparse(node.func).startswith(("_LOG.", "re.", "logging."))
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
