"""Sasage Studio: brand imagery for online shops, from thirty photos to a listing package."""

__version__ = "0.1.0"
