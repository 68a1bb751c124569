"""A rendered clip of 120 frames and more through windows: the truth comes out, and bent answers drift less than chained ones.

The clip is the suite `long_val`, which the README says how to render.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.room import Room, bent, frames_of
from tests.test_long_videos import naive, off_the_way
from vdpm import derive
from vdpm.clip import Clip
from vdpm.geometry import invert, pixel_centres, rays, transform
from vdpm.reconstruction.footage import Footage
from vdpm.reconstruction.network import track_pixels
from vdpm.reconstruction.record import Reconstruction, load
from vdpm.reconstruction.run import Run, reconstruct
from vdpm.reconstruction.window import Answer, Predict, plan
from vdpm.storage import read_shard

SHARDS = sorted((Path(__file__).parents[1] / "data" / "suites" / "long_val").glob("*.tar"))
FAR = 30.0
"""Metres: the sky, of which nothing is sure."""
WINDOW = 16
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SHARDS, reason="data/suites/long_val is not rendered")]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return next(read_shard(SHARDS[0]))


def stamped(clip: Clip) -> np.ndarray:
    """The video, each frame with its number in a corner."""
    numbers = np.arange(len(clip.rgb))
    rgb = clip.rgb.copy()
    rgb[:, 0, 0] = np.stack([numbers // 256, numbers % 256, np.full(len(numbers), 7)], axis=-1)
    return rgb


def predictor(clip: Clip) -> Predict:
    """Who answers windows with the truth, in the camera of the first frame."""
    hits = cache(lambda frame: derive.hits(clip, frame))

    def answer(rgb: np.ndarray) -> Answer:
        frames, (height, width) = frames_of(rgb), rgb.shape[1:3]
        first, pixels = frames[0], track_pixels(height, width)
        pose = invert(clip.cameras.world_from_camera[first]) @ clip.cameras.world_from_camera[frames]
        here, *ends = (
            np.stack([derive.point_map(clip, hits(frame), frame if time is None else time, first) for frame in frames])
            for time in (None, first, frames[-1])
        )
        sky = ~np.isfinite(here[..., 0])
        directions = np.stack([rays(K, pixel_centres(height, width)) for K in clip.cameras.K[frames]])
        here = np.where(sky[..., None], transform(pose[:, None, None], FAR * directions), here)
        moved = np.nan_to_num(np.max([np.linalg.norm(end - here, axis=-1) for end in ends], axis=0))
        u, v = pixels.astype(int).T
        ways = [derive.point_map(clip, hits(first), time, first)[v, u] for time in frames]
        return Answer(
            K=clip.cameras.K[frames], world_from_camera=pose, points=here.astype(np.float32),
            confidence=np.where(sky, 1.0, 2.0).astype(np.float32), motion=moved.astype(np.float32),
            tracks=np.nan_to_num(np.stack(ways, axis=1)).astype(np.float32), track_pixel=pixels,
        )  # fmt: skip

    return answer


def run(clip: Clip, predict: Predict, folder: Path) -> Reconstruction:
    frames, height, width, _ = clip.rgb.shape
    footage = Footage(name=clip.name, rgb=stamped(clip), seconds=np.arange(frames) / 24, original=(height, width))
    return load(reconstruct(Run(predict=predict, method="true", folder=folder, window=WINDOW), footage, {}))


def way(clip: Clip) -> Room:
    """Only the cameras of it are read."""
    nothing = np.zeros(0)
    return Room(
        world_from_camera=clip.cameras.world_from_camera, points=nothing, ball=nothing, centre=nothing, rgb=clip.rgb
    )


def test_the_truth_comes_out(clip: Clip, tmp_path: Path):
    assert len(clip.rgb) >= 120
    result = run(clip, predictor(clip), tmp_path)
    poses = invert(clip.cameras.world_from_camera[0]) @ clip.cameras.world_from_camera
    np.testing.assert_allclose(result.world_from_camera, poses, atol=2e-3)
    for frame in (0, 50, len(clip.rgb) - 1):
        truth = derive.point_map(clip, derive.hits(clip, frame), frame, 0)
        assert np.nanmax(np.abs(result.points[frame] - truth)) < 1e-2


@pytest.mark.parametrize("seed", [0, 1])
def test_drift_is_a_fifth_of_naive_chaining_or_less(clip: Clip, seed: int, tmp_path: Path):
    rng, true, kept = np.random.default_rng(seed), predictor(clip), {}
    result = run(clip, lambda rgb: kept.setdefault(tuple(frames_of(rgb)), bent(rng, true(rgb))), tmp_path)
    windows = plan(len(clip.rgb), WINDOW).windows
    chained = naive(way(clip), [kept[window] for window in windows], windows)
    ours = off_the_way(way(clip), result.world_from_camera[:, :3, 3])
    drift = off_the_way(way(clip), chained)
    length = np.linalg.norm(np.diff(clip.cameras.world_from_camera[:, :3, 3], axis=0), axis=1).sum()
    print(f"{len(clip.rgb)} frames, way of {length:.2f} m: {ours:.4f} m off, chained {drift:.4f} m")
    assert ours < drift / 5, (ours, drift)
