"""How long scoring takes, beside a straightforward implementation in the same run: ratios travel, seconds do not.

    python -m benchmark.bench

Dense tracking (every pixel of the first frame at every time) of a clip of 24 frames at 512 x 288, which is a clip of the
suite `mini` with its pixels repeated: truth from the meshes, the end-point error over all and over moving pixels. The
straightforward version goes frame by frame through the same definitions, moves the corners of every pixel's triangle,
and computes for each metric what it needs. Both have to give the same numbers. CPU seconds of one process.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import tyro

from benchmark.metrics import METRICS, MOVING_METRES
from benchmark.protocols import Task
from benchmark.scoring import measure, truth_of
from benchmark.suites import find_suite, read_suite
from vdpm import derive
from vdpm.clip import Clip, Prediction
from vdpm.errors import UserError, run_command
from vdpm.geometry import invert, transform

FRAMES, HEIGHT, WIDTH = 24, 288, 512


@dataclass(frozen=True, kw_only=True)
class Config:
    """Time the scoring of dense tracking."""

    repeats: int = 3
    """The fastest of so many runs counts."""


def enlarged(clip: Clip) -> Clip:
    """A clip with its pixels and frames repeated to the size of the benchmark."""
    frames = np.arange(FRAMES) % len(clip.rgb)
    height, width = clip.rgb.shape[1:3]
    rows, columns = np.arange(HEIGHT) * height // HEIGHT, np.arange(WIDTH) * width // WIDTH
    scale = np.array([WIDTH / width, HEIGHT / height, 1.0])[:, None]
    return replace(
        clip,
        rgb=clip.rgb[frames][:, rows][:, :, columns],
        triangle=clip.triangle[frames][:, rows][:, :, columns],
        cameras=replace(
            clip.cameras, K=clip.cameras.K[frames] * scale, world_from_camera=clip.cameras.world_from_camera[frames]
        ),
        surfaces=replace(
            clip.surfaces,
            world_from_body=clip.surfaces.world_from_body[frames],
            shapes=clip.surfaces.shapes[frames],
        ),
    )


def ours(clip: Clip, points: np.ndarray) -> list[float | None]:
    """The two numbers as the harness computes them."""
    truth = truth_of(clip, Task(frames=tuple(range(FRAMES)), sources=(0,)), with_depth=False)
    prediction = Prediction(points=points)
    return [measure(METRICS[name], truth, prediction).value for name in ("epe_track", "epe_track_moving")]


def straightforward(clip: Clip, points: np.ndarray) -> list[float | None]:
    """The two numbers frame by frame, each from the beginning."""
    seen = derive.hits(clip, 0)
    camera_from_world = invert(clip.cameras.world_from_camera[0])
    truth = np.stack([transform(camera_from_world, derive.points(clip, seen, time)) for time in range(FRAMES)]).astype(
        np.float32
    )
    return [_plain_error(truth, points[0], moving_only) for moving_only in (False, True)]


def _plain_error(truth: np.ndarray, points: np.ndarray, moving_only: bool) -> float:
    norms, true_norms, errors = [], [], []
    for true, claimed in zip(truth, points, strict=True):
        valid = np.isfinite(true).all(axis=-1)
        norms.append(np.linalg.norm(claimed[valid].astype(np.float64), axis=-1))
        true_norms.append(np.linalg.norm(true[valid].astype(np.float64), axis=-1))
    norm, true_norm = np.concatenate(norms).mean(), np.concatenate(true_norms).mean()
    moves = _plain_moving(truth) if moving_only else np.ones(truth.shape[1:3], bool)
    for true, claimed in zip(truth, points, strict=True):
        chosen = np.isfinite(true).all(axis=-1) & moves
        offset = claimed[chosen].astype(np.float64) / norm - true[chosen].astype(np.float64) / true_norm
        errors.append(np.linalg.norm(offset, axis=-1))
    return float(np.concatenate(errors).mean())


def _plain_moving(truth: np.ndarray) -> np.ndarray:
    moves = np.zeros(truth.shape[1:3], bool)
    for i, j in combinations(range(len(truth)), 2):
        moves |= np.linalg.norm(truth[i] - truth[j], axis=-1) > MOVING_METRES
    return moves


def seconds(function: Callable[[], list[float | None]], repeats: int) -> tuple[float, list[float | None]]:
    """CPU seconds of the fastest run, and what it answers."""
    times, answer = [], []
    for _ in range(repeats):
        began = time.process_time()
        answer = function()
        times.append(time.process_time() - began)
    return min(times), answer


def main(config: Config) -> None:
    """Print both times and their ratio. Raises `UserError` if the two implementations disagree."""
    scene, _ = next(read_suite(find_suite("mini")))
    assert isinstance(scene, Clip)
    clip = enlarged(scene)
    task = Task(frames=tuple(range(FRAMES)), sources=(0,))
    told = np.nan_to_num(truth_of(clip, task, with_depth=False).points, nan=1.0)
    told += np.random.default_rng(0).normal(0.0, 0.02, told.shape).astype(np.float32)
    fast, numbers = seconds(lambda: ours(clip, told), config.repeats)
    slow, plain = seconds(lambda: straightforward(clip, told), config.repeats)
    if not np.allclose(numbers, plain, rtol=1e-9):  # type: ignore[arg-type]
        raise UserError(f"the two implementations disagree: {numbers} and {plain}; one of them has a mistake")
    print(f"dense tracking, {FRAMES} frames of {WIDTH} x {HEIGHT}: truth, and two end-point errors")
    print(f"  this harness     {fast:7.2f} s")
    print(f"  straightforward  {slow:7.2f} s")
    print(f"  ratio            {slow / fast:7.1f}")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
