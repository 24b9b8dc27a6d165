"""Stands where diffusers' training script would: the same arguments, bar and losses, and numbers that learn."""

from __future__ import annotations

import argparse

import torch
from tqdm.auto import tqdm

parser = argparse.ArgumentParser()
parser.add_argument("--max_train_steps", type=int)
parser.add_argument("--resolution", type=int)
asked, _ = parser.parse_known_args()
print("what the script says itself")
weight = torch.ones(4, requires_grad=True)
bar = tqdm(range(asked.max_train_steps), desc="Steps")
for step in range(asked.max_train_steps):
    loss = (weight**2).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        weight -= 0.1 * weight.grad
    weight.grad = None
    bar.update(1)
    bar.set_postfix(loss=loss.item(), lr=0.1)
    if step == 4:
        raise SystemExit("the script has broken off")
