"""A network that is loaded once and reconstructs videos, for the command and for the web demo."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vdpm.errors import UserError
from vdpm.reconstruction.footage import Footage, Selection, read_footage
from vdpm.reconstruction.record import Reconstruction, load
from vdpm.reconstruction.run import Run, disk_bytes, reconstruct
from vdpm.reconstruction.window import SMALLEST, Predict, plan

if TYPE_CHECKING:
    from vdpm.model.model import Model


@dataclass(frozen=True, kw_only=True)
class Session:
    """Weights on a device, and how many frames they see at once."""

    model: "Model"
    weights: str
    window: int

    @classmethod
    def start(cls, weights: str, window: int) -> "Session":
        """Load the weights, in bfloat16 on a GPU, as published. Raises `UserError` when they cannot be."""
        from vdpm.model.device import best_device
        from vdpm.model.model import Model

        if window < SMALLEST:
            raise UserError(f"--window {window}: must be {SMALLEST} or more")
        device = best_device()
        model = Model.from_pretrained(weights, device=device, bfloat16=device.type == "cuda")
        return cls(model=model, weights=weights, window=window)

    def reconstruct(
        self,
        source: Path,
        selection: Selection,
        out: Path,
        *,
        watch: Callable[[int, int], None] = lambda done, of: None,
    ) -> Reconstruction:
        """A video from its file to `out/reconstruction.npz`. `watch` is told of windows, done and all."""
        from vdpm.reconstruction.network import predictor

        _make(out)
        with tempfile.TemporaryDirectory(dir=out, prefix=".frames-") as scratch:
            footage = read_footage(source, selection, Path(scratch))
            windows = len(plan(len(footage.rgb), self.window).all)
            predict = _watched(predictor(self.model), windows, watch)
            run = Run(predict=predict, method=_name(self.weights), folder=out, window=self.window)
            self._announce(run, footage)
            return load(reconstruct(run, footage, {"source": source.name, "weights": Path(self.weights).name}))

    def _announce(self, run: Run, footage: Footage) -> None:
        """How much there is to do, how long that may take, and what it leaves on the disk."""
        from vdpm.reconstruction.estimate import estimate_seconds

        frames, height, width = footage.rgb.shape[:3]
        planned = plan(frames, run.window)
        minutes = estimate_seconds(self.model, planned, height, width) / 60
        print(
            f"{frames} frames of {width}x{height} in {len(planned.all)} windows of up to {len(planned.all[0])} on "
            f"{self.model.device.type}: about {minutes:.1f} minutes, {disk_bytes(run, footage) / 1e9:.2f} GB of disk",
            file=sys.stderr,
        )


def _watched(predict: Predict, windows: int, watch: Callable[[int, int], None]) -> Predict:
    done = 0

    def answer(rgb):
        nonlocal done
        found = predict(rgb)
        done += 1
        watch(min(done, windows), windows)
        return found

    return answer


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to --out {folder} ({error.strerror}): choose another folder") from error


def _name(weights: str) -> str:
    """Weights and, for files, when they were written: others do not answer for them."""
    path = Path(weights)
    files = sorted(path.glob("model.*")) if path.is_dir() else [path] * path.is_file()
    return ":".join([weights, *(f"{file.stat().st_size}-{file.stat().st_mtime_ns}" for file in files)])
