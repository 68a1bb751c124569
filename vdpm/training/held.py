"""How good weights are on windows of clips that were held out: what `vdpm.training.losses.measures` says, and depth.

The windows are drawn as in training, by a seed of their own, so that the same number of them is the same windows. The
benchmark asks more of a network; this takes seconds, which is what a table of many runs needs.
"""

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import nn

from vdpm.training.data import DataConfig, batches
from vdpm.training.learner import to_device
from vdpm.training.losses import measures
from vdpm.training.sample import Batch

if TYPE_CHECKING:
    from vdpm.model.network import Answer

SEED = 1_000_003
"""Of the windows; no training run has it."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Which windows are held out."""

    sources: str
    """Folders of shards with weights, as for training."""
    windows: int
    frames: tuple[int, ...]
    size: int
    strides: tuple[int, int]


@torch.no_grad()
def scores(learner: nn.Module, held: Held) -> dict[str, float]:
    """Of a `vdpm.training.learner.Learner`, pooled over all windows: sums of all pixels are added, then divided."""
    data = DataConfig(
        sources=held.sources, batch=1, frames=held.frames, size=held.size, strides=held.strides, reference="first"
    )
    sums: dict[str, tuple[float, float]] = {}
    learner.eval()
    device = next(learner.parameters()).device
    for drawn in islice(batches(data, SEED, 0), held.windows):
        batch = to_device(drawn, device)
        answer = learner(batch)[2]
        for name, (part, count) in {**measures(answer, batch), "depth_absrel": depth(answer, batch)}.items():
            before = sums.get(name, (0.0, 0.0))
            sums[name] = before[0] + part, before[1] + count
    learner.train()
    return {name: part / count for name, (part, count) in sums.items() if count}


def depth(answer: "Answer", batch: Batch) -> tuple[float, float]:
    """Sum of |z - true z| / true z over pixels of the reference frame, z scaled by medians, and how many there are."""
    part, count = 0.0, 0.0
    for points, truth, valid in zip(answer.here[0][:, 0], batch.here[:, 0], batch.valid[:, 0], strict=True):
        found, true = points[valid][:, 2].float(), truth[valid][:, 2]
        if len(true):
            scale = true.median() / found.median()
            part, count = part + float(((scale * found - true).abs() / true).sum()), count + len(true)
    return part, count
