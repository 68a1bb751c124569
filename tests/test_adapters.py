"""Adapters on synthetic outputs: what a model would write about a known scene, in its own conventions, comes back as it is.

The outputs are made from the scene by formulas of their own: nothing of `benchmark.adapting` is used to make them.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.adapting import adapter_line, adapter_names
from benchmark.foreign import adapted
from benchmark.predictions import check
from vdpm.clip import Prediction, Video
from vdpm.errors import UserError

HEIGHT, WIDTH, FRAMES = 45, 64, 3
VIDEO = Video(rgb=np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8), sources=(0,))
K = np.array([[70.0, 0.0, 33.0], [0.0, 68.0, 21.5], [0.0, 0.0, 1.0]])
"""Of the video, counted from the corner."""
POSES = np.tile(np.eye(4), (FRAMES, 1, 1))
POSES[:, :3, :3] = Rotation.from_euler("xyz", [[0, 0, 0], [3, 5, -2], [6, -4, 8]], degrees=True).as_matrix()
POSES[:, :3, 3] = [[0, 0, 0], [0.3, -0.1, 0.2], [0.5, 0.2, -0.4]]
LONG, CUT = (360, 512), (352, 512)
"""45 x 64 with its longer side at 512, and that cut to multiples of 16."""


def z_at(u: np.ndarray, v: np.ndarray, frame: int) -> np.ndarray:
    """Depth of the scene at a place of the video: a slanted plane, another one in each frame."""
    return 1.0 / (0.2 + 0.02 * frame + 0.001 * u + 0.002 * v)


class Picture:
    """What a model sees: the video resized to one size, of which it keeps a window about the middle."""

    def __init__(self, resized: tuple[int, int], kept: tuple[int, int] | None = None):
        kept = kept or resized
        top, left = (resized[0] - kept[0]) // 2, (resized[1] - kept[1]) // 2
        sx, sy = WIDTH / resized[1], HEIGHT / resized[0]
        columns, rows = np.meshgrid(np.arange(kept[1]), np.arange(kept[0]))
        self.u, self.v = (columns + left + 0.5) * sx, (rows + top + 0.5) * sy
        self.K = np.array([[K[0, 0] / sx, 0, K[0, 2] / sx - left], [0, K[1, 1] / sy, K[1, 2] / sy - top], [0, 0, 1]])
        """Counted from the corner of the picture."""
        self.from_centre = self.K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
        self.depth = np.stack([z_at(self.u, self.v, frame) for frame in range(FRAMES)]).astype(np.float32)
        ray = np.stack([(self.u - K[0, 2]) / K[0, 0], (self.v - K[1, 2]) / K[1, 1], np.ones_like(self.u)], axis=-1)
        self.points = (self.depth[..., None] * ray).astype(np.float32)
        self.world = np.einsum("tab,thwb->thwa", POSES[:, :3, :3], self.points) + POSES[:, None, None, :3, 3]


W2C = np.linalg.inv(POSES)
MOTION = np.array([0.0, 0.1, 0.3])[:, None, None, None] * np.array([1.0, -0.5, 0.25])
"""What the first frame's points move in the world until each time."""


def dust3r(folder: Path) -> None:
    square = Picture(LONG, CUT)
    focal, centre = np.diag(square.from_centre)[:1].repeat(FRAMES), np.tile(square.from_centre[:2, 2], (FRAMES, 1))
    np.savez(folder / "answer.npz", depth=square.depth, focal=focal, centre=centre, pose=POSES.astype(np.float32))


def monst3r(folder: Path) -> None:
    square, place = Picture(LONG, CUT), folder / "answer"
    place.mkdir()
    xyzw = Rotation.from_matrix(POSES[:, :3, :3]).as_quat()
    rows = np.column_stack([np.arange(FRAMES), POSES[:, :3, 3], xyzw[:, 3], xyzw[:, :3]])
    np.savetxt(place / "pred_traj.txt", rows)
    np.savetxt(place / "pred_intrinsics.txt", np.tile(square.from_centre.ravel(), (FRAMES, 1)))
    for frame, depth in enumerate(square.depth):
        np.save(place / f"frame_{frame:04d}.npy", depth)


def cut3r(folder: Path) -> None:
    square = Picture(LONG, CUT)
    for name in ("depth", "camera"):
        (folder / name).mkdir()
    for frame, depth in enumerate(square.depth):
        np.save(folder / "depth" / f"{frame:06d}.npy", depth)
        np.savez(folder / "camera" / f"{frame:06d}.npz", pose=POSES[frame], intrinsics=square.from_centre)


def pi3(folder: Path) -> None:
    np.savez(folder / "answer.npz", points=Picture((294, 420)).points, pose=POSES)


def vggt(folder: Path) -> None:
    shown = Picture((364, 518))
    K_ = np.tile(shown.from_centre, (FRAMES, 1, 1))
    np.savez(folder / "answer.npz", depth=shown.depth, extrinsic=W2C[:, :3], intrinsic=K_)


def depth_anything_3(folder: Path) -> None:
    shown = Picture((350, 504))
    K_ = np.tile(shown.from_centre, (FRAMES, 1, 1))
    np.savez(folder / "answer.npz", depth=shown.depth, extrinsics=W2C[:, :3].astype(np.float32), intrinsics=K_)


def mapanything(folder: Path) -> None:
    np.savez(folder / "answer.npz", points=Picture((364, 518), (336, 518)).points, pose=POSES)


def any4d(folder: Path) -> None:
    shown = Picture((364, 518), (336, 518))
    flow = np.broadcast_to(MOTION, (FRAMES, *shown.points.shape[1:]))
    np.savez(folder / "answer.npz", points=shown.points, pose=POSES, flow=flow)


def st4rtrack(folder: Path) -> None:
    shown = Picture(LONG, CUT)
    np.savez(folder / "answer.npz", tracks=shown.world[0] + MOTION, points=shown.world)


def spatialtrackerv2(folder: Path) -> None:
    shown, small = Picture((360, 512)), Picture((180, 256))
    (folder / "results").mkdir()
    rows, columns = np.mgrid[0:360:4, 0:512:4].reshape(2, -1)
    coords = shown.world[0][rows, columns] + MOTION[:, 0]
    depth = small.depth.copy()
    depth[:, :2, :2] = 0.0  # unsure
    visible = np.ones(coords.shape[:2])
    visible[2, columns < 256] = 0.1
    np.savez(
        folder / "results" / "answer_result.npz",
        coords=coords, extrinsics=W2C, intrinsics=np.tile(small.from_centre, (FRAMES, 1, 1)), depths=depth,
        visibs=visible[..., None], queries=np.column_stack([0 * rows, columns, rows]), picture=np.array([360, 512]),
    )  # fmt: skip


def trace_anything(folder: Path) -> None:
    np.savez(folder / "answer.npz", trajectories=(Picture(LONG, CUT).world[0] + MOTION)[None])


WRITERS: dict[str, Callable[[Path], None]] = {
    writer.__name__: writer
    for writer in (any4d, cut3r, depth_anything_3, dust3r, mapanything, monst3r, pi3, spatialtrackerv2, st4rtrack,
                   trace_anything, vggt)
}  # fmt: skip
NO_CAMERAS = ("st4rtrack", "trace_anything")
FOLLOWS = ("any4d", "spatialtrackerv2", "st4rtrack", "trace_anything")
SEEN = (slice(2, -2), slice(1, -1))
"""Rows that no loader cuts off."""


def told(name: str, tmp_path: Path, video: Video = VIDEO) -> Prediction:
    WRITERS[name](tmp_path)
    answer = adapted(name, tmp_path, video)
    check(answer, video)
    return answer


def test_every_adapter_is_tested_and_says_what_it_is():
    assert sorted(WRITERS) == adapter_names()
    for name in adapter_names():
        text = import_module(f"benchmark.adapters.{name}").__doc__ or ""
        assert adapter_line(name).endswith(".") and "Install:" in text and "never run with the weights" in text


def uv() -> tuple[np.ndarray, np.ndarray]:
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return u, v


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in NO_CAMERAS])
def test_lens_cameras_and_depth_come_back(name: str, tmp_path: Path):
    answer = told(name, tmp_path)
    assert answer.K is not None and answer.world_from_camera is not None and answer.depth is not None
    lens = K.copy()
    if name == "dust3r":  # one focal length for both axes
        lens[1, 1] = K[0, 0]
    np.testing.assert_allclose(answer.K, np.tile(lens, (FRAMES, 1, 1)), atol=0.02)  # half a pixel of theirs is 0.06
    np.testing.assert_allclose(answer.world_from_camera, POSES, atol=1e-5)
    truth = np.stack([z_at(*uv(), frame) for frame in range(FRAMES)])
    np.testing.assert_allclose(answer.depth[:, *SEEN], truth[:, *SEEN], rtol=2e-3)


@pytest.mark.parametrize("name", WRITERS)
def test_points_are_in_the_first_camera_and_move_as_told(name: str, tmp_path: Path):
    points = told(name, tmp_path).points
    assert points is not None and points.shape == (1, FRAMES, HEIGHT, WIDTH, 3)
    u, v = uv()
    ray = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], axis=-1)
    truth = z_at(u, v, 0)[None, ..., None] * ray + (MOTION if name in FOLLOWS else 0.0 * MOTION)
    rows = (slice(None), *SEEN)
    tolerance = 0.1 if name == "dust3r" else 0.03  # one focal length; a pixel takes what its centre falls on
    np.testing.assert_allclose(points[0][rows], truth[rows], atol=tolerance)
    moved = points[0, 2] - points[0, 0]
    expected = MOTION[2] if name in FOLLOWS else np.zeros((1, 1, 3))
    np.testing.assert_allclose(moved, np.broadcast_to(expected, moved.shape), atol=1e-5)


def test_a_static_source_is_where_it_was_at_its_own_time(tmp_path: Path):
    points = told("pi3", tmp_path, replace(VIDEO, sources=(0, 2))).points
    assert points is not None
    np.testing.assert_array_equal(points[1, 0], points[1, 2])
    ray = np.stack([(uv()[0] - K[0, 2]) / K[0, 0], (uv()[1] - K[1, 2]) / K[1, 1], np.ones((HEIGHT, WIDTH))], axis=-1)
    world = (z_at(*uv(), 2)[..., None] * ray) @ POSES[2, :3, :3].T + POSES[2, :3, 3]
    np.testing.assert_allclose(points[1, 0][SEEN], world[SEEN], atol=0.03)


@pytest.mark.parametrize("name", ["any4d", "spatialtrackerv2", "st4rtrack"])
def test_what_a_model_does_not_follow_is_a_blank_with_its_reason(name: str, tmp_path: Path):
    answer = told(name, tmp_path, replace(VIDEO, sources=(0, 2)))
    assert answer.points is None and "first frame only" in answer.note.replace(
        "of the first frame were", "first frame only"
    )


def test_visibility_and_unsure_depth_of_spatialtracker(tmp_path: Path):
    answer = told("spatialtrackerv2", tmp_path)
    assert answer.visible is not None and answer.depth is not None
    assert answer.visible[0, :2].all() and not answer.visible[0, 2, :, :30].any() and answer.visible[0, 2, :, 34:].all()
    assert (answer.depth > 0).all()


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_at_all_is_one_line(name: str, tmp_path: Path):
    with pytest.raises(UserError) as error:
        adapted(name, tmp_path, VIDEO)
    assert "\n" not in str(error.value)


def test_missing_frames_are_counted(tmp_path: Path):
    monst3r(tmp_path)
    (tmp_path / "answer" / "frame_0001.npy").unlink()
    with pytest.raises(UserError, match=r"holds 2 files .*the task has 3 frames"):
        adapted("monst3r", tmp_path, VIDEO)


def test_a_transposed_convention_is_seen(tmp_path: Path):
    """What a model writes as camera_from_world is not taken for world_from_camera: the test above would notice."""
    np.savez(tmp_path / "answer.npz", points=Picture((294, 420)).points, pose=W2C)
    answer = adapted("pi3", tmp_path, VIDEO)
    assert answer.world_from_camera is not None
    assert np.abs(answer.world_from_camera - POSES).max() > 0.1
