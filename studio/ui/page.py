"""The page: five tabs in the order of work, the top bar over them, and the mounting behind the guards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import gradio as gr

from studio.studio import Studio
from studio.ui.canvas import create_canvas_tab
from studio.ui.components.models_panel import ModelsPanel
from studio.ui.components.top_bar import TopBar
from studio.ui.label import create_label_tab
from studio.ui.listing import create_listing_tab
from studio.ui.piece import styles
from studio.ui.review import create_review_tab
from studio.ui.theme import theme
from studio.ui.train import create_train_tab
from studio.ui.words import all_messages, all_words, say, translations

App = TypeVar("App")
"""The FastAPI app of `studio.api`, which alone imports that library."""
HERE = Path(__file__).parent
TABS: dict[str, Callable[[Studio], None]] = {
    "label": create_label_tab,
    "train": create_train_tab,
    "canvas": create_canvas_tab,
    "review": create_review_tab,
    "listing": create_listing_tab,
}
KEEP_S, SWEEP_S = 86_400, 3_600
"""Gradio's own cache of uploads is swept every hour; what is older than a day goes."""


def create_ui(studio: Studio) -> gr.Blocks:
    """The whole page. Each tab builds itself and watches; all work is done by jobs and services."""
    with gr.Blocks(title="Sasage Studio", delete_cache=(SWEEP_S, KEEP_S), analytics_enabled=False) as page:
        TopBar(studio)
        ModelsPanel(studio)
        with gr.Tabs(selected="canvas", elem_classes=["stage-tabs"]):
            for name, create in TABS.items():
                with gr.Tab(say(f"page.{name}"), id=name, elem_id=f"tab-{name}"):
                    create(studio)
    page.queue(default_concurrency_limit=None, max_size=200)
    made: gr.Blocks = page
    return made


def mount_ui(api: App, studio: Studio) -> App:
    """Puts the page at `/` of the guarded app. No file of the disk is served by Gradio itself."""
    mounted: App = gr.mount_gradio_app(
        api,
        create_ui(studio),
        path="/",
        theme=theme(),
        css="\n".join(path.read_text(encoding="utf-8") for path in styles(HERE)),
        head=head(),
        i18n=translations(),
        auth_dependency=lambda request: request.scope.get("person"),
        allowed_paths=[],
        max_file_size=studio.settings.max_zip_bytes,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=True,
        pwa=False,
        mcp_server=False,
        app_kwargs={"openapi_url": None},  # the page explains its own routes to nobody
        enable_monitoring=False,
    )
    return mounted


def head() -> str:
    """What stands in the head of the page: the shared scripts with all words in them."""
    page = _script("page.js", "__WORDS__", all_words())
    tools = (HERE / "picture_tools.js").read_text(encoding="utf-8")
    return f"<script>{page}\n{_script('messages.js', '__MESSAGES__', all_messages())}\n{tools}</script>"


def _script(name: str, mark: str, data: object) -> str:
    """A script with data in the place of a mark; nothing in the data can end the script."""
    written = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return (HERE / name).read_text(encoding="utf-8").replace(mark, written)
