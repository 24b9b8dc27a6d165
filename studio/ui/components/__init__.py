"""The custom parts of the page: for each a class, its script and its style, side by side."""
