"""Builds the bundled base (croquis) and the judge: data, training, scorecard. Never imported by studio."""
