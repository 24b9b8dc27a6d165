"""The foundry's loop: what it learns survives a stop, and a resumed run ends where an uninterrupted one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from foundry.fit import Ema, FitConfig, fit, schedule


def _line() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(4, 1)


def _loss(model: nn.Linear, stop_at: int | None = None) -> object:
    def loss_of_step(step: int) -> dict[str, torch.Tensor]:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return {"square": (model(x) - x.sum(1, keepdim=True)).square().mean()}

    return loss_of_step


def test_fit_learns_and_leaves_the_average_in_the_model(tmp_path: Path) -> None:
    model = _line()
    fit(model, _loss(model), FitConfig(tmp_path, minutes=0.05, learning_rate=0.05))  # type: ignore[arg-type]
    assert torch.allclose(model.weight, torch.ones(1, 4), atol=0.1)
    assert (tmp_path / "metrics.jsonl").read_text().strip()


def test_a_stopped_run_goes_on_from_its_state(tmp_path: Path) -> None:
    model = _line()
    config = FitConfig(tmp_path, minutes=0.05, learning_rate=0.05, report_every_s=0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(model, _loss(model, stop_at=5), config)  # type: ignore[arg-type]
    steps: list[int] = []
    other = _line()
    inner = _loss(other)

    def watched(step: int) -> dict[str, torch.Tensor]:
        steps.append(step)
        if len(steps) == 1:
            assert torch.equal(other.weight, model.weight)
        if len(steps) > 3:
            raise KeyboardInterrupt
        return inner(step)  # type: ignore[operator, no-any-return]

    with pytest.raises(KeyboardInterrupt):
        fit(other, watched, config)
    assert steps[0] == 5


def test_schedule_warms_up_and_decays() -> None:
    config = FitConfig(Path("."), minutes=1, learning_rate=1)
    factors = [schedule(p, config) for p in (0.0, 0.02, 0.5, 1.0)]
    assert factors[0] < factors[1]
    assert factors[1] == pytest.approx(1.0)
    assert factors[3] == pytest.approx(config.floor)


def test_average_follows_slowly_once_old() -> None:
    model = _line()
    ema = Ema(model, decay=0.9)
    before = ema.values["weight"].clone()
    with torch.no_grad():
        model.weight += 1
    ema.update(model, step=10_000)
    assert torch.allclose(ema.values["weight"], before + 0.1, atol=1e-6)
