"""Review: what was measured on a variant, and what people and rules decided about it."""

from studio.review.board import BoardRow
from studio.review.measured import PictureJudge, Reading
from studio.review.rules import Limit, ReviewRules
from studio.review.service import ReviewService

__all__ = ["BoardRow", "Limit", "PictureJudge", "Reading", "ReviewRules", "ReviewService"]
