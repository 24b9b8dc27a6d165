"""Train: a brand's LoRA on a frozen base, with a verdict on overfitting; from a dataset to a brand model."""

from studio.train.service import TrainService

__all__ = ["TrainService"]
