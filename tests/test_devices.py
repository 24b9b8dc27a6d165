"""What a device has: a container's limit counts where it is smaller than the machine."""

from __future__ import annotations

from pathlib import Path

from studio.devices import device_memory


def test_memory_is_the_machines_or_what_a_container_may_take(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    whole = device_memory("cpu", limit)
    assert whole > 2**28
    limit.write_text("max\n")
    assert device_memory("cpu", limit) == whole
    limit.write_text(f"{2**28}\n")
    assert device_memory("cpu", limit) == 2**28
    limit.write_text(f"{2**60}\n")
    assert device_memory("cpu", limit) == whole
