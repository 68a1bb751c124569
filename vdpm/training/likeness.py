"""What the batches of sources look like in numbers, side by side: does the pre-training resemble the renders?

python -m vdpm.training.likeness --sources "procedural data/train benchmark/frozen/mini"
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import tyro
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from vdpm.errors import run_command
from vdpm.model import poses
from vdpm.training.data import DataConfig, Stream, parse
from vdpm.training.sample import Batch


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    data: DataConfig = field(default_factory=lambda: DataConfig(sources="procedural benchmark/frozen/mini"))
    """Each of its sources is measured on its own."""
    windows: int = 200
    """Windows a source."""
    seed: int = 0


def measure(batch: Batch) -> dict[str, float]:
    """Numbers of one batch; NaN where it has nothing to measure."""
    height, width = batch.images.shape[-2:]
    depth = batch.here[..., 2][batch.valid]
    step = (batch.there - batch.here).norm(dim=-1)
    sides = torch.tensor([width, height])
    flow = (batch.pixels - _centres(height, width)).norm(dim=-1) / sides.max()
    grey = batch.images.mean(dim=2)
    still = batch.visible & ~batch.moving
    angles = torch.rad2deg(batch.cameras[..., 8])
    centre = poses.camera_from_world(batch.cameras[batch.posed])[..., 3].norm(dim=-1)
    return {
        "valid share": float(batch.valid.float().mean()),
        "moving share": float(batch.moving.sum() / batch.known.sum().clamp(min=1)),
        "moving windows": float(batch.moving.flatten(1).any(dim=1).float().mean()),
        "displacement, mean": _mean(step, batch.moving),
        "displacement, 90 %": _quantile(step, batch.moving, 0.9),
        "seen again": float(batch.visible.sum() / batch.known.sum().clamp(min=1)),
        "moving, seen again": _mean(batch.visible.float(), batch.moving),
        "flow of still points": _mean(flow, still),
        "flow of moving points": _mean(flow, batch.visible & batch.moving),
        "depth 10 %": float(depth.quantile(0.1)),
        "depth 90 %": float(depth.quantile(0.9)),
        "camera path": float(centre.max()) if len(centre) else float("nan"),
        "field of view": float(angles.mean()),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std(dim=(-2, -1)).mean()),
        "detail": float((grey[..., 1:] - grey[..., :-1]).abs().mean()),
    }


def _centres(height: int, width: int) -> Float[Tensor, "H W 2"]:
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack((u, v), dim=-1)


def _mean(values: Float[Tensor, "*N"], mask: Bool[Tensor, "*N"]) -> float:
    return float(values[mask].mean()) if mask.any() else float("nan")


def _quantile(values: Float[Tensor, "*N"], mask: Bool[Tensor, "*N"], share: float) -> float:
    return float(values[mask].quantile(share)) if mask.any() else float("nan")


def table(config: Config) -> str:
    """Means over windows, a column a source."""
    columns = {}
    for name in parse(config.data.sources):
        stream = Stream(replace(config.data, sources=name, batch=1), config.seed)
        rows = [measure(stream[number]) for number in tqdm(range(config.windows), desc=name, leave=False)]
        columns[name] = {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}
    names = list(columns)
    lines = [f"{'':24}" + "".join(f"{name[-22:]:>24}" for name in names)]
    for key in columns[names[0]]:
        lines.append(f"{key:24}" + "".join(f"{columns[name][key]:24.3f}" for name in names))
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(lambda: print(table(tyro.cli(Config, description=__doc__))))
