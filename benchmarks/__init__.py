"""Side-by-side measurements against plain diffusers, written to docs/benchmarks.md by `python -m benchmarks`."""
