"""One measurement: what it costs to render some frames."""

import os
import resource
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from generation.bench.levers import LEVERS, SHARES, SUBPIXELS


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to render, and how."""

    view: str
    """"kubric", "ours", or "reference": ours with the bounces and light sampling of Kubric's."""
    variants: tuple[tuple[int, str], ...]
    """Samples per pixel and a name of `LEVERS`. Memory is that of the first until then."""
    family: str = "kubric_f"
    index: int = 0
    resolution: tuple[int, int]
    length: int
    """Frames of the clip."""
    frames: tuple[int, ...]
    """Those that are rendered."""
    out: str
    """Files for the frames, but for .NUMBER.npz."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU seconds, user and system, of all threads; MB."""

    open: float
    """To build the scene in Blender."""
    first: float
    """The first frame, which builds what the others share."""
    other: float
    """Another frame, on average."""
    truth: float
    """Ground truth of a frame, on average; of Kubric's view, part of the frame."""
    wall: float
    """Wall seconds of all frames rendered."""
    peak: float


@contextmanager
def quiet() -> Iterator[int]:
    """Standard output to nowhere for all, Blender too; the descriptor of what it was."""
    kept = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        yield kept
    finally:
        os.dup2(kept, 1)


class Clock:
    """CPU seconds of this process since the last call."""

    def __init__(self) -> None:
        self.last = self._now()

    def lap(self) -> float:
        before, self.last = self.last, self._now()
        return self.last - before

    def _now(self) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime


def measure(task: Task, scratch: Path) -> Iterator[tuple[Cost, dict[str, np.ndarray]]]:
    """Render every variant and count."""
    from generation import families
    from generation.gate import MOVING_METRES, travelled
    from generation.scene import surfaces
    from vdpm.derive import body_of_triangle
    from vdpm.raycast import triangles_seen

    rng = np.random.default_rng([0, task.index, zlib.crc32(task.family.encode()), 0])
    scene = families.load(task.family)(rng, task.length, task.resolution, scratch)
    clock = Clock()
    triangle = triangles_seen(surfaces(scene), scene.cameras, *task.resolution[::-1])
    truth = clock.lap() / task.length
    moves = np.append(travelled(scene) > MOVING_METRES, False)
    moving = moves[body_of_triangle(surfaces(scene), triangle[list(task.frames)])]
    for samples, lever in task.variants:
        clock.lap()
        start = time.monotonic()
        render = (
            _stock(scene, samples, lever, scratch)
            if task.view == "kubric"
            else _ours(scene, samples, lever, task.view == "reference", scratch)
        )
        opened, images, seconds = clock.lap(), [], []
        for frame in task.frames:
            image, took = render(frame, clock.lap)
            images.append(image)
            seconds += took
        cost = Cost(
            open=opened,
            first=seconds[0],
            other=float(np.mean(seconds[1:])) if len(seconds) > 1 else seconds[0],
            truth=0.0 if task.view == "kubric" else truth,
            wall=time.monotonic() - start,
            peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        )
        yield cost, {"rgb": np.stack(images), "moving": moving}


Render = Callable[[int, Callable[[], float]], tuple[UInt8[np.ndarray, "H W 3"], list[float]]]
"""The image of a frame, and the CPU seconds of each of the frames that had to be rendered for it, finishing included."""


def _ours(scene: Any, samples: int, lever: str, reference: bool, scratch: Path) -> Render:
    from PIL import Image

    from generation.renderer import open_view
    from generation.sharer import Sharer

    view = open_view(scene, samples, subpixels=SUBPIXELS.get(lever, 1))
    LEVERS[lever](view.blender_scene)
    if reference:
        cycles = view.blender_scene.cycles
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 12, 4, 4
        cycles.caustics_reflective = cycles.caustics_refractive = True
        cycles.denoising_prefilter = "ACCURATE"
    if lever in SHARES:
        return _sharing(Sharer(view, scene, SHARES[lever], scratch))

    def render(frame: int, lap: Callable[[], float]) -> Any:
        view.render(frame, scratch / "frame.png")
        return np.asarray(Image.open(scratch / "frame.png").convert("RGB")), [lap()]

    return render


def _sharing(sharer: Any) -> Render:
    """In a clip every frame is rendered once and finished once; here more are rendered than finished."""

    def render(frame: int, lap: Callable[[], float]) -> Any:
        rendered = []
        for number in sharer.missing(frame):
            sharer.render(number)
            rendered.append(lap())
        image = sharer.finish(frame)
        finished = lap()
        return image, [one + finished for one in rendered]

    return render


def _stock(scene: Any, samples: int, lever: str, scratch: Path) -> Render:
    from generation.bench.stock import open_stock

    view = open_stock(scene, samples, scratch / "kubric")
    LEVERS[lever](view.blender_scene)

    def render(frame: int, lap: Callable[[], float]) -> Any:
        for file in (scratch / "kubric").rglob("frame_*"):  # it would read all frames that lie there
            file.unlink()
        return view.render_still(frame)["rgba"][..., :3], [lap()]

    return render
