"""The check of the ground truth: silent on true clips, and eight faults that other data sets have shipped are found."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vdpm import derive, exactness, verify
from vdpm.clip import Clip, Seen
from vdpm.geometry import unproject
from vdpm.raycast import triangles_seen, visibility
from vdpm.storage import encode, read_shard, write_shard

SHARD = Path(__file__).resolve().parents[1] / "benchmark/frozen/mini/kubric_f-000000.tar"
CLIPS = list(read_shard(SHARD))


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_a_true_clip_has_no_problem(clip):
    assert verify.problems(clip) == []


def half_pixel(clip: Clip) -> Clip:
    K = clip.cameras.K + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    return replace(clip, cameras=replace(clip.cameras, K=K))


def transposed_k(clip: Clip) -> Clip:
    K = np.ascontiguousarray(np.swapaxes(clip.cameras.K, 1, 2))
    return replace(clip, cameras=replace(clip.cameras, K=K))


def quaternions_in_the_other_order(clip: Clip) -> Clip:
    poses = clip.surfaces.world_from_body.copy()
    xyzw = Rotation.from_matrix(poses[:, :, :3, :3].reshape(-1, 3, 3)).as_quat()
    poses[:, :, :3, :3] = Rotation.from_quat(np.roll(xyzw, 1, axis=1)).as_matrix().reshape(*poses.shape[:2], 3, 3)
    return replace(clip, surfaces=replace(clip.surfaces, world_from_body=poses))


def images_a_frame_late(clip: Clip) -> Clip:
    return replace(clip, rgb=np.concatenate([clip.rgb[:1], clip.rgb[:-1]]))


def cameras_a_frame_late(clip: Clip) -> Clip:
    poses = clip.cameras.world_from_camera
    return replace(clip, cameras=replace(clip.cameras, world_from_camera=np.concatenate([poses[:1], poses[:-1]])))


def swapped_ids(clip: Clip) -> Clip:
    """Of the two things that are seen most: nobody could notice it of things that are not seen."""
    body = derive.body_of_triangle(clip.surfaces, clip.triangle)
    first, second = np.argsort(np.bincount(body[body > 0]))[-2:]
    poses = clip.surfaces.world_from_body.copy()
    poses[:, [first, second]] = poses[:, [second, first]]
    return replace(clip, surfaces=replace(clip.surfaces, world_from_body=poses))


def height_for_width(clip: Clip) -> Clip:
    return replace(clip, triangle=np.ascontiguousarray(np.swapaxes(clip.triangle, 1, 2)))


def mirrored_images(clip: Clip) -> Clip:
    return replace(clip, rgb=np.ascontiguousarray(clip.rgb[:, :, ::-1]))


def floor_that_slides(clip: Clip) -> Clip:
    poses = clip.surfaces.world_from_body.copy()
    poses[:, 0, 0, 3] += 1e-3 * np.arange(len(poses))
    return replace(clip, surfaces=replace(clip.surfaces, world_from_body=poses))


def nothing_moves(clip: Clip) -> Clip:
    """Cut: the first frame's scene at all times, seen truly."""
    poses = np.broadcast_to(clip.surfaces.world_from_body[:1], clip.surfaces.world_from_body.shape)
    surfaces = replace(clip.surfaces, world_from_body=np.ascontiguousarray(poses))
    return replace(clip, surfaces=surfaces, triangle=triangles_seen(surfaces, clip.cameras, *clip.rgb.shape[1:3]))


def camera_in_a_body(clip: Clip) -> Clip:
    """At the middle of the body that is seen most but for the floor."""
    body = derive.body_of_triangle(clip.surfaces, clip.triangle)
    most = int(np.argmax(np.bincount(body[body > 0])))
    poses = clip.cameras.world_from_camera.copy()
    poses[:, :3, 3] = clip.surfaces.world_from_body[:, most, :3, 3]
    cameras = replace(clip.cameras, world_from_camera=poses)
    return replace(clip, cameras=cameras, triangle=triangles_seen(clip.surfaces, cameras, *clip.rgb.shape[1:3]))


@pytest.mark.parametrize(
    ("fault", "check"),
    [(floor_that_slides, verify.background), (nothing_moves, verify.movement), (camera_in_a_body, verify.insides)],
)
def test_a_fault_is_found_by_the_check_that_looks_for_it(fault, check):
    assert all(list(check(fault(clip))) for clip in CLIPS[1:4])
    assert not any(list(check(clip)) for clip in CLIPS[1:4])


def test_the_way_back_goes_through_the_world(monkeypatch):
    """A point that is said to land half a pixel beside its place comes back half a pixel beside its start."""
    true = derive.point_map

    def beside(clip: Clip, source: derive.Hits, time: int, view: int) -> np.ndarray:
        points = true(clip, source, time, view)
        return points + points[..., 2:] * [0.5 / clip.cameras.K[view, 0, 0], 0.0, 0.0]

    assert np.median(exactness.cycle(CLIPS[0], 0, 1).pixels) < 1e-3
    monkeypatch.setattr(derive, "point_map", beside)
    assert 0.3 < np.median(exactness.cycle(CLIPS[0], 0, 1).pixels) < 0.7
    assert list(verify.cycles(CLIPS[0]))


def test_how_exact_a_clip_is():
    """The bars of the README, with room; labels turned upside down are not confirmed."""
    found = exactness.measure(CLIPS[0])
    assert found.pixels < 1e-3 and found.metres < 1e-5 and found.agreement >= 0.999


def test_wrong_visibility_is_not_confirmed(monkeypatch):
    monkeypatch.setattr(exactness, "visibility", lambda clip, source, time: upside_down(visibility(clip, source, time)))
    assert exactness.measure(CLIPS[0]).agreement < 0.01


def upside_down(label: np.ndarray) -> np.ndarray:
    swapped = np.where(label == Seen.VISIBLE, Seen.OTHER, Seen.VISIBLE)
    return np.where(np.isin(label, (Seen.VISIBLE, Seen.OTHER, Seen.ITSELF)), swapped, label)


def black_frame(clip: Clip) -> Clip:
    rgb = clip.rgb.copy()
    rgb[3] = 0
    return replace(clip, rgb=rgb)


STORED = (half_pixel, transposed_k, quaternions_in_the_other_order, images_a_frame_late, cameras_a_frame_late,
          swapped_ids, height_for_width, black_frame)  # fmt: skip


@pytest.mark.parametrize("fault", STORED, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault: Callable[[Clip], Clip]):
    assert all(verify.problems(fault(clip)) for clip in CLIPS[1:4])


def test_mirrored_images_are_found():
    """Where bodies have edges that are not symmetric."""
    found = [list(verify.images(mirrored_images(clip))) for clip in CLIPS]
    assert sum(bool(problem) for problem in found) >= len(CLIPS) - 1


def test_flow_with_the_wrong_sign_is_found(monkeypatch):
    flow = derive.optical_flow
    monkeypatch.setattr(derive, "optical_flow", lambda *arguments: -flow(*arguments))
    assert all(list(verify.flows(clip)) for clip in CLIPS)


def test_distance_along_the_ray_for_z_is_found(monkeypatch):
    depth = derive.depth

    def distance(clip: Clip, frame: int) -> np.ndarray:
        return np.linalg.norm(unproject(depth(clip, frame), clip.cameras.K[frame]), axis=-1)

    monkeypatch.setattr(derive, "depth", distance)
    assert all(list(verify.depths(clip)) for clip in CLIPS)


def test_the_command_says_so_and_exits_with_2(tmp_path):
    write_shard(tmp_path / "bad.tar", [(CLIPS[0].name, encode(half_pixel(CLIPS[0])))])
    command = [sys.executable, "-m", "generation.check"]
    bad = subprocess.run([*command, str(tmp_path / "bad.tar")], capture_output=True, text=True, check=False)
    assert bad.returncode == 2 and "1 of 1 clips have something wrong" in bad.stderr
    good = subprocess.run([*command, str(SHARD)], capture_output=True, text=True, check=False)
    assert good.returncode == 0 and "6 clips, nothing wrong" in good.stdout and "kubric_f" in good.stdout
