"""PromptFrame: what a base's texts stand in when they are tokenized, and how many tokens of that are read.

Known without a model, so that a page can tell before anything is loaded what of a text would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class PromptFrame(NamedTuple):
    """The words around a text, and how much of the whole is read.

    Attributes:
        limit: tokens that are read, the frame's own included; None: what the tokenizer's config says.
    """

    before: str = ""
    after: str = ""
    limit: int | None = None

    def around(self, text: str) -> str:
        """The text in its frame."""
        return f"{self.before}{text}{self.after}"

    def unread(self, text: str, spans: Sequence[tuple[int, int]], limit: int) -> str:
        """The end of a text that is lost when `limit` tokens are read; what follows the text is never cut.

        Args:
            spans: where each token of the framed text begins and ends; more than `limit` of them. A mark that the
                tokenizer adds by itself has no width.
        """
        end = len(self.before) + len(text)
        behind = next(n for n, (start, stop) in enumerate(reversed(spans)) if start < min(stop, end))
        return self.around(text)[spans[limit - behind][0] : end]
