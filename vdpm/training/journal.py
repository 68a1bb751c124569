"""What a run tells: a line of JSON for every few steps, TensorBoard, and pictures of depth."""

import json
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vdpm.files import replacing
from vdpm.model.network import Answer
from vdpm.training.sample import Batch

CURVE = "curve.jsonl"


class Journal:
    """The records of a run from a step on; later ones, of a run that was killed, are forgotten."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = run / CURVE
        kept = [row for row in read_curve(run) if row["step"] <= step]
        with replacing(self.path) as file:
            file.write("".join(json.dumps(row) + "\n" for row in kept).encode())
        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def write(self, row: dict[str, Any]) -> None:
        """One row; all numbers but the step become curves."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in row.items():
            if name != "step":
                self.board.add_scalar(name, value, row["step"])
        self.board.flush()

    def show(self, batch: Batch, answer: Answer, step: int) -> None:
        """Picture of the first window: colours, true depth, predicted depth, and true and predicted displacement."""
        self.board.add_image("depth", picture(batch, answer), step)


def read_curve(run: Path) -> list[dict[str, Any]]:
    """The rows of a run so far; a line that was cut off by a crash is left out."""
    path = run / CURVE
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@torch.no_grad()
def picture(batch: Batch, answer: Answer) -> Float[Tensor, "3 A B"]:
    """Frames of the first window from left to right; from top to bottom colours, depth, displacement, each as true and
    as predicted."""
    true, known = batch.here[0], batch.valid[0]
    depths = [points[..., 2].clamp(min=0.05) for points in (true, answer.here[0][0].float())]
    steps = [
        there - here
        for there, here in ((batch.there[0], true), (answer.there[0][0].float(), answer.here[0][0].float()))
    ]
    longest = steps[0].norm(dim=-1).max().clamp(min=1e-3)
    rows = [batch.images[0]]
    rows += [(_grey(1.0 / depth / 3.0) * known[:, None]) for depth in depths]
    rows += [(0.5 + 0.5 * step / longest).movedim(-1, 1).clamp(0, 1) for step in steps]
    return torch.cat([torch.cat(list(row), dim=-1) for row in rows], dim=-2).cpu()


def _grey(values: Float[Tensor, "S H W"]) -> Float[Tensor, "S 3 H W"]:
    return values.clamp(0, 1)[:, None].expand(-1, 3, -1, -1)
