"""Piece: a part of the page that is written in files of its own, and talks to Python by named actions.

A piece `PhotoWall` in `photo_wall.py` has its script in `photo_wall.js` and its style in `photo_wall.css` beside it.
The script runs once with `element` (its empty root), `trigger`, `props`, `upload`, `watch`, and `ask`, which calls an
action:

    const photos = await ask("photos", {dataset: "spring"})

An action is a Python function (message: dict, person: str) -> anything that is JSON. It runs beside the queue, so it
must be quick; long work is submitted as a job. A StudioError reaches the page as a toast in plain words, and `ask`
then resolves to null. User text reaches the page by `textContent` only: templates of gr.HTML would execute it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.records.base import LOCAL_PERSON

Action = Callable[[dict[str, Any], str], Any]
"""(message, name of the person who asks) -> an answer that is JSON."""

_LOG = logging.getLogger(__name__)
_PRELUDE = (
    "const ask = async (action, message) => window.sasage.answer(await server.act({action, message: message || {}}));\n"
    "const t = (key, values) => window.sasage.t(key, values);\n"
    "const { make, plain } = window.sasage;\n"
)


class Piece:
    """One custom part of the page; `html` is the Gradio component that it is made of.

    It holds a gr.HTML rather than being one: Gradio writes a stub file beside the source of every component class.

    Args:
        value: what the script finds in `props.value`; JSON. Python sends a new one as any output does.
        actions: name -> function.
        fill: the piece is a whole tab and takes all its height.
    """

    def __init__(
        self, value: Any = None, *, actions: Mapping[str, Action] | None = None, fill: bool = False, **settings: Any
    ) -> None:
        source = Path(inspect.getfile(type(self)))
        self._actions = dict(actions or {})
        name = source.stem.replace("_", "-")
        self.html = gr.HTML(
            value,
            html_template=f'<div class="piece {name}"></div>',
            js_on_load=f"element = element.querySelector('.piece') || element;\n{_PRELUDE}"
            + "\n".join(path.read_text(encoding="utf-8") for path in scripts(source)),
            apply_default_css=False,
            elem_classes=["piece-frame", f"{name}-frame", *(["fill"] if fill else [])],
            server_functions=[self._act_function()],
            **settings,
        )

    def _act_function(self) -> Callable[..., Any]:
        def act(data: dict[str, Any], request: gr.Request) -> dict[str, Any]:
            return self.answer(str(data.get("action")), data.get("message") or {}, person_of(request))

        return act

    def answer(self, action: str, message: dict[str, Any], person: str) -> dict[str, Any]:
        """Runs an action: `{"value": ...}`, or `{"error": ..., "next_step": ...}` in plain words."""
        try:
            return {"value": self._actions[action](message, person)}
        except StudioError as error:
            return {"error": error.message, "next_step": error.next_step}
        except Exception as error:
            _LOG.exception("action %s of %s", action, type(self).__name__)
            return {"error": f"Unexpected {type(error).__name__}.", "next_step": "Try again; the log has the details."}


def person_of(request: Any) -> str:
    """The name of whoever sent this, as the guard found it: a gr.Request, or the plain one that actions get."""
    inner = getattr(request, "request", request)
    return str(inner.scope.get("person") or LOCAL_PERSON)


def scripts(source: Path) -> list[Path]:
    """The script files of a piece: its parts, `photo_wall_grid.js`, before `photo_wall.js`; all one function body."""
    parts = sorted(source.parent.glob(f"{source.stem}_*.js"))
    return [path for path in parts if not path.with_suffix(".py").exists()] + [source.with_suffix(".js")]


def styles(folder: Path) -> list[Path]:
    """All style files of the page: its own first, then those of the pieces."""
    own = sorted(folder.glob("*.css"))
    return own + sorted((folder / "components").rglob("*.css"))
