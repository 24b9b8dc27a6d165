"""Trains the judge on renders that croquis never sees: `python -m foundry.judge --minutes 20`.

Other bodies, other seeds; blurred, noisy and recompressed too, because it will read generated pictures.
Writes `presets/judge/judge.safetensors` (fp16) and `card.json` with what it reads on held-out true renders.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from foundry.dataset import Renders
from foundry.fit import FitConfig, Losses, autocast, fit, pick_device
from studio.measure.judge_net import HEAT_STRIDE, LABEL_STRIDE, JudgeNet, Output, domain_features, sharp_places
from studio.records.attributes import ATTRIBUTE_VALUES

Array = npt.NDArray[Any]
FOLDER = Path("artefacts/judge")
SHIPPED = Path("presets/judge")
BATCH = 8
TRUST = 0.97
MIRRORED = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)
DOMAIN_MARGIN = 2.0


def roughen(rng: np.random.Generator, image: Array) -> Array:
    """A picture as a generator or a camera would soil it: blur, noise, JPEG, exposure. Half stay as they are."""
    if rng.random() < 0.5:
        return image
    result = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.8))).astype(np.float32)
    result = result * rng.uniform(0.93, 1.07) + rng.normal(0, rng.uniform(0, 5), image.shape)
    result = np.clip(result, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        done, data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 95))])
        result = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else result
    return result


def batch_of(renders: Renders, indices: Array, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
    """Pictures and truth of rows `indices`; mirrored and roughened when an `rng` is given."""
    images, joints = renders.batch(indices, "image"), renders.batch(indices, "joints_px")
    labels, visible = renders.batch(indices, "labels"), renders.batch(indices, "visible")
    if rng is not None:
        for row in range(len(indices)):
            if rng.random() < 0.5:
                images[row], labels[row] = images[row, :, ::-1].copy(), labels[row, :, ::-1].copy()
                joints[row] = (joints[row] * (-1, 1) + (images.shape[2], 0))[list(MIRRORED)]
                visible[row] = visible[row][list(MIRRORED)]
            images[row] = roughen(rng, images[row])
    return {
        "images": torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1,
        "labels": torch.from_numpy(labels[:, ::LABEL_STRIDE, ::LABEL_STRIDE].copy()).long(),
        "joints": torch.from_numpy(joints).float(),
        "visible": torch.from_numpy(visible),
        "attributes": torch.from_numpy(renders.batch(indices, "attributes")).long(),
    }


def heat_target(joints: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, J, h, w) places as distributions of one cell's spread, and (B, J) whether the joint is on the canvas."""
    x = (torch.arange(width) + 0.5) * HEAT_STRIDE
    y = (torch.arange(height) + 0.5) * HEAT_STRIDE
    away = (x - joints[..., :1])[:, :, None, :].square() + (y - joints[..., 1:])[:, :, :, None].square()
    target = (-away / (2 * (0.8 * HEAT_STRIDE) ** 2)).flatten(2).softmax(2).view(*away.shape)
    size = torch.tensor([width * HEAT_STRIDE, height * HEAT_STRIDE])
    return target, ((joints >= 0) & (joints < size)).all(2)


def losses(output: Output, truth: dict[str, torch.Tensor], device: torch.device) -> Losses:
    """Cross-entropies of places, visibility, labels and attributes."""
    heat = output.heat.float()
    target, inside = heat_target(truth["joints"], *heat.shape[-2:])
    weight = (0.35 + 0.65 * truth["visible"].float()) * inside
    place = -(target.to(device) * heat.flatten(2).log_softmax(2).view_as(heat)).sum((2, 3))
    result = {
        "joints": (place * weight.to(device)).sum() / weight.sum(),
        "seen": F.binary_cross_entropy_with_logits(output.seen.float(), truth["visible"].float().to(device)),
        "labels": F.cross_entropy(output.labels.float(), truth["labels"].to(device)) * 3,
    }
    attributes = truth["attributes"].to(device)
    parts = [F.cross_entropy(output.attributes[n].float(), attributes[:, i]) for i, n in enumerate(ATTRIBUTE_VALUES)]
    return result | {"attributes": torch.stack(parts).sum()}


@torch.no_grad()
def evaluate(net: JudgeNet, renders: Renders) -> dict[str, Any]:
    """What the judge reads on true renders: joint error in mm over unoccluded joints, IoU, accuracy per attribute."""
    device = next(net.parameters()).device
    errors, unions, right = [], [], []
    for start in range(0, len(renders), 25):
        rows = np.arange(start, start + 25)
        truth = batch_of(renders, rows, None)
        output = net(truth["images"].to(device))
        places = sharp_places(output.heat.float()).cpu()
        _, inside = heat_target(truth["joints"], *output.heat.shape[-2:])
        away = (places - truth["joints"]).norm(dim=2) / torch.from_numpy(renders.batch(rows, "px_per_mm"))[:, None]
        errors.append(away[truth["visible"] & inside])
        found, true = output.labels.argmax(1).cpu() > 0, truth["labels"] > 0
        unions.append((found & true).sum((1, 2)) / (found | true).sum((1, 2)))
        guessed = torch.stack([output.attributes[n].argmax(1).cpu() for n in ATTRIBUTE_VALUES], 1)
        right.append((guessed == truth["attributes"]).float())
    joint, accuracy = torch.cat(errors), torch.cat(right).mean(0)
    return {
        "joint_mm_median": round(float(joint.median()), 2),
        "joint_mm_p95": round(float(joint.quantile(0.95)), 2),
        "iou": round(float(torch.cat(unions).median()), 4),
        "attributes": {name: round(float(a), 4) for name, a in zip(ATTRIBUTE_VALUES, accuracy, strict=True)},
    }


@torch.no_grad()
def domain_of(net: JudgeNet, renders: Renders, count: int = 1500) -> dict[str, torch.Tensor]:
    """Mean and precision of the domain features over soiled training renders, and the limit of what counts as known."""
    device, rng = next(net.parameters()).device, np.random.default_rng(3)
    rows = np.arange(min(count, len(renders)))
    parts = []
    for part in np.array_split(rows, len(rows) // 25):
        images = batch_of(renders, part, rng)["images"].to(device)
        parts.append(domain_features(images, net(images)))
    features = torch.cat(parts).double().cpu()
    mean = features.mean(0)
    covariance = torch.cov((features - mean).T) + 1e-4 * torch.eye(features.shape[1], dtype=torch.float64)
    precision = torch.linalg.inv(covariance)
    distance = torch.einsum("be,ef,bf->b", features - mean, precision, features - mean).sqrt()
    return {"mean": mean, "precision": precision, "limit": distance.quantile(0.999) * DOMAIN_MARGIN}


def ship(net: JudgeNet, renders: Renders, card: dict[str, Any]) -> None:
    """Writes the weights in fp16, the domain in fp32, and the card."""
    SHIPPED.mkdir(parents=True, exist_ok=True)
    tensors = {n: v.detach().cpu().half().contiguous() for n, v in net.state_dict().items()}
    tensors |= {f"domain.{n}": v.float().contiguous() for n, v in domain_of(net, renders).items()}
    save_file(tensors, SHIPPED / "judge.safetensors", metadata={"licence": "Apache-2.0"})
    trusted = [name for name, accuracy in card["attributes"].items() if accuracy >= TRUST]
    (SHIPPED / "card.json").write_text(json.dumps({"trusted": trusted, "held_out_renders": card}, indent=1) + "\n")


def start_warm(net: JudgeNet) -> None:
    """Takes over what fits of the shipped weights, so that a later run goes on from them."""
    own, shipped = net.state_dict(), load_file(SHIPPED / "judge.safetensors")
    fitting = {
        name: shipped[name].float() for name in own if name in shipped and shipped[name].shape == own[name].shape
    }
    net.load_state_dict(own | fitting)
    print(f"{len(fitting)} of {len(own)} tensors from {SHIPPED}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    device = pick_device()
    torch.manual_seed(0)
    net = JudgeNet().to(device)
    if (SHIPPED / "judge.safetensors").is_file():
        start_warm(net)
    renders, held_out = Renders.open("judge"), Renders.open("held-out")
    print(f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters, {len(renders)} renders, {device}")

    def loss_of_step(step: int) -> Losses:
        rng = np.random.default_rng([step, 23])
        truth = batch_of(renders, rng.integers(0, len(renders), BATCH), rng)
        with autocast(device):
            output = net(truth["images"].to(device))
        return losses(output, truth, device)

    fit(net, loss_of_step, FitConfig(FOLDER, arguments.minutes, learning_rate=2e-3, ema_decay=0.998))
    card = evaluate(net.eval(), held_out)
    print(json.dumps(card, indent=1))
    ship(net, renders, card)


if __name__ == "__main__":
    main()
