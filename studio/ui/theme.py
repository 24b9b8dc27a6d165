"""The theme: neutral greys, one warm accent, system fonts, nothing from outside. Colours stand in page.css."""

from __future__ import annotations

from typing import Any

import gradio as gr

FONT = ("system-ui", "-apple-system", "Segoe UI", "Hiragino Sans", "Noto Sans JP", "Noto Sans CJK JP", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

_VARIABLES = {
    "body_background_fill": "--page", "body_text_color": "--text", "body_text_color_subdued": "--quiet",
    "background_fill_primary": "--panel", "background_fill_secondary": "--page",
    "block_background_fill": "--panel", "block_border_color": "--line", "block_label_text_color": "--quiet",
    "block_title_text_color": "--quiet", "block_label_background_fill": "--panel", "block_info_text_color": "--quiet",
    "border_color_primary": "--line", "border_color_accent": "--accent",
    "input_background_fill": "--well", "input_border_color": "--line", "input_border_color_focus": "--accent",
    "input_placeholder_color": "--quiet",
    "button_primary_background_fill": "--accent", "button_primary_background_fill_hover": "--accent-strong",
    "button_primary_text_color": "--on-accent", "button_primary_border_color": "--accent",
    "button_secondary_background_fill": "--raised", "button_secondary_background_fill_hover": "--line",
    "button_secondary_text_color": "--text", "button_secondary_border_color": "--line",
    "checkbox_background_color": "--well", "checkbox_background_color_selected": "--accent",
    "checkbox_border_color": "--line", "checkbox_border_color_selected": "--accent",
    "checkbox_label_background_fill": "--raised", "checkbox_label_background_fill_selected": "--raised",
    "checkbox_label_text_color": "--text", "checkbox_label_border_color": "--line",
    "slider_color": "--accent", "color_accent": "--accent", "color_accent_soft": "--raised",
    "link_text_color": "--accent",
    "panel_background_fill": "--panel", "panel_border_color": "--line", "loader_color": "--accent",
    "table_even_background_fill": "--panel", "table_odd_background_fill": "--panel", "table_border_color": "--line",
}  # fmt: skip


def theme() -> gr.themes.Base:
    """Gradio's base theme, its colours taken from the variables of page.css, so that one switch changes both."""
    made = gr.themes.Base(
        primary_hue="neutral", secondary_hue="neutral", neutral_hue="neutral", radius_size="sm", spacing_size="sm",
        text_size="sm", font=FONT, font_mono=MONO,
    )  # fmt: skip
    values: dict[str, Any] = {}
    for name, variable in _VARIABLES.items():
        values[name] = values[f"{name}_dark"] = f"var({variable})"
    flat = {"block_shadow": "none", "button_primary_shadow": "none", "button_secondary_shadow": "none",
            "input_shadow": "none", "input_shadow_focus": "none", "block_border_width": "0px",
            "checkbox_shadow": "none", "button_transition": "none"}  # fmt: skip
    for name, value in flat.items():
        values[name] = value
        if f"{name}_dark" in vars(made):
            values[f"{name}_dark"] = value
    known = {name: value for name, value in values.items() if hasattr(made, name)}
    return made.set(**known)
