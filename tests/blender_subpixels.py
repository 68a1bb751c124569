"""Helper of test_subpixels.py, a process of its own because Blender is a global of one:
`python -m tests.blender_subpixels OUT`."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.blender_optics import scene

SAMPLES = 256


def main(out: Path) -> None:
    """Write one frame (H, W, 3), as it is and by way of sub-pixels, neither denoised."""
    from generation.renderer import _frame, open_view
    from generation.subpixels import configure

    def image(subpixels: int) -> np.ndarray:
        view = open_view(scene(0.0, deforming=False), SAMPLES, subpixels=subpixels)
        cycles = view.blender_scene.cycles
        if subpixels == 1:  # the same light, but filtered by Cycles
            kept = cycles.pixel_filter_type, 1.5
            configure(view.blender_scene)
            cycles.pixel_filter_type, cycles.filter_width = kept
        cycles.use_denoising = False
        return _frame(view, 1, Path(folder) / "frame.png").astype(np.float64)

    with tempfile.TemporaryDirectory() as folder:
        np.savez(out, plain=image(1), fine=image(2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
