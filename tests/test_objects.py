"""Objects: boxes, hidden shares and velocities against closed forms, on clips made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import BOX, BOX_FACES, spin, tiny_clip
from vdpm import objects
from vdpm.clip import Cameras, Clip, Contacts, Physics, Surfaces
from vdpm.errors import UserError
from vdpm.geometry import invert, project, rigid, transform
from vdpm.raycast import amodal_masks, amodal_visibility, triangles_seen

SIDE = 100
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
HALVES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def squares(*places: tuple[float, float, float, float]) -> Clip:
    """Upright squares before a camera at the origin that looks along +z with a focal length of 100 pixels, 100 x 100.

    Each place is x and y of a corner, depth and side, in metres.
    """
    vertices = [SQUARE * np.float32(side) + np.array([x, y, z], np.float32) for x, y, z, side in places]
    still = np.tile(np.eye(4), (2, 1, 1))
    surfaces = Surfaces(
        vertices=np.concatenate(vertices),
        faces=np.concatenate([HALVES + 4 * number for number in range(len(places))]).astype(np.int32),
        face_start=2 * np.arange(len(places) + 1, dtype=np.int32),
        world_from_body=np.tile(np.eye(4), (2, len(places), 1, 1)),
        deforming=np.zeros(0, np.int32),
        shapes=np.zeros((2, 0, 3), np.float32),
    )
    K = np.array([[100.0, 0.0, 50.0], [0.0, 100.0, 50.0], [0.0, 0.0, 1.0]])
    cameras = Cameras(K=np.tile(K, (2, 1, 1)), world_from_camera=still)
    return Clip(
        name="squares",
        rgb=np.zeros((2, SIDE, SIDE, 3), np.uint8),
        triangle=triangles_seen(surfaces, cameras, SIDE, SIDE),
        cameras=cameras,
        surfaces=surfaces,
        meta={"bodies": [{"name": f"square_{number}"} for number in range(len(places))], "frame_rate": 12},
    )


def test_half_hidden_by_closed_form():
    """A square of 40 pixels whose right half is behind another of 20 x 60 pixels' reach."""
    clip = squares((-1.0, -1.0, 5.0, 2.0), (0.0, -0.5, 2.5, 1.0))
    np.testing.assert_allclose(amodal_visibility(clip, 0), [0.5, 1.0])
    np.testing.assert_allclose(objects.visible_boxes(clip, 0), [[30, 30, 50, 70], [50, 30, 90, 70]])
    np.testing.assert_allclose(objects.amodal_boxes(clip, 0), [[30, 30, 70, 70], [50, 30, 90, 70]], atol=1e-9)
    assert amodal_masks(clip, 0).sum(axis=(1, 2)).tolist() == [1600, 1600]


def test_out_of_frame_and_behind():
    clip = squares((10.0, 0.0, 5.0, 1.0), (0.0, 0.0, -5.0, 1.0), (0.9, -0.1, 2.0, 0.2))
    assert np.isnan(amodal_visibility(clip, 0)[:2]).all()
    assert np.isnan(objects.visible_boxes(clip, 0)[:2]).all()
    np.testing.assert_allclose(objects.amodal_boxes(clip, 0)[0], [250, 50, 270, 70], atol=1e-9)
    assert np.isnan(objects.amodal_boxes(clip, 0)[1]).all()
    np.testing.assert_allclose(objects.amodal_boxes(clip, 0)[2], [95, 45, 105, 55], atol=1e-5)
    assert amodal_visibility(clip, 0)[2] == 1.0  # half is out of the frame, nothing is hidden


def test_what_reaches_behind_the_camera_is_cut():
    """A strip from 1 m behind to 2 m ahead, 1 m below: its far side is 50 px below the middle, its near side endless."""
    clip = squares((0.0, 0.0, 0.0, 1.0))
    strip = np.array([[-1, 1, -1], [1, 1, -1], [1, 1, 2], [-1, 1, 2]], np.float32)
    clip = replace(clip, surfaces=replace(clip.surfaces, vertices=strip))
    left, top, right, bottom = objects.amodal_boxes(clip, 0)[0]
    assert top == pytest.approx(50 + 100 / 2) and bottom == pytest.approx(50 + 100 / objects.NEAR, rel=1e-6)
    assert left == pytest.approx(50 - 100 / objects.NEAR) and right == pytest.approx(50 + 100 / objects.NEAR)


def test_parts_of_an_object_are_one():
    clip = squares((-1.0, -1.0, 5.0, 1.0), (0.0, 0.0, 5.0, 1.0), (0.0, 0.0, 4.0, 0.4))
    car = replace(
        clip, meta={"bodies": [{"name": "a", "object": "car"}, {"name": "b", "object": "car"}, {"name": "c"}]}
    )
    assert objects.objects(car).names == ("car", "c") and objects.objects(car).of_body.tolist() == [0, 0, 1]
    np.testing.assert_allclose(objects.amodal_boxes(car, 0)[0], [30, 30, 70, 70], atol=1e-9)
    np.testing.assert_allclose(objects.visible_boxes(car, 0)[0], [30, 30, 70, 70])
    assert amodal_visibility(car, 0)[0] == pytest.approx(1 - 100 / 800)
    boxes = objects.oriented_boxes(car, 0)
    np.testing.assert_allclose(boxes.size, [[2, 2, 0], [0.4, 0.4, 0]], atol=1e-6)
    np.testing.assert_allclose(boxes.world_from_box[0, :3, 3], [0, 0, 5], atol=1e-6)
    old = replace(clip, meta={"bodies": [{"name": "a", "robot": "r"}, {"name": "b", "person": "p"}, {}]})
    assert objects.objects(old).names == ("r", "p", "body_2")


def test_oriented_boxes_turn_with_the_body():
    clip = tiny_clip(frames=5)
    boxes = objects.oriented_boxes(clip, 3)
    np.testing.assert_allclose(boxes.size[1], [1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(boxes.world_from_box[1], clip.surfaces.world_from_body[3, 1], atol=1e-6)
    np.testing.assert_allclose(boxes.corners()[1], transform(clip.surfaces.world_from_body[3, 1], BOX), atol=1e-6)


def test_boxes_hold_what_is_seen():
    clip = tiny_clip(frames=3, height=48, width=64)
    for frame in range(3):
        seen, whole = objects.visible_boxes(clip, frame)[1], objects.amodal_boxes(clip, frame)[1]
        assert (seen[:2] > whole[:2] - 0.5).all() and (seen[2:] < whole[2:] + 0.5).all()
        np.testing.assert_allclose(seen, whole, atol=1.0)
        pixels = project(
            transform(invert(clip.cameras.world_from_camera[frame]), objects.oriented_boxes(clip, frame).corners())[1:],
            clip.cameras.K[frame],
        )[0]
        np.testing.assert_allclose([*pixels.min(axis=0), *pixels.max(axis=0)], whole, atol=1e-4)


def turning(rate: float, frames: int = 9) -> Clip:
    """A box that goes round a circle of 2 m at `rate` radians a frame, face to the middle."""
    clip = replace(tiny_clip(frames, 4, 4), meta={"frame_rate": 10})
    path = np.stack([rigid(spin(rate * t), spin(rate * t) @ [2.0, 0.0, 0.5]) for t in range(frames)])[:, None]
    vertices, faces = BOX.astype(np.float32), BOX_FACES
    surfaces = replace(
        clip.surfaces,
        vertices=vertices,
        faces=faces,
        face_start=np.array([0, len(faces)], np.int32),
        world_from_body=path,
        shapes=np.zeros((frames, 0, 3), np.float32),
    )
    return replace(clip, surfaces=surfaces)


def test_velocities_on_a_circle():
    """Central differences of a circle: the chord over two frames instead of the arc, sin(x) / x of the speed."""
    clip = turning(0.1)
    linear, angular = np.moveaxis(objects.velocities(clip)[:, 0], 1, 0)
    np.testing.assert_allclose(angular, [[0, 0, 1.0]] * 9, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(linear[1:-1], axis=1), 2.0 * np.sin(0.1) / 0.1, rtol=1e-9)
    assert (objects.velocities(turning(0.0)) == 0).all()
    np.testing.assert_allclose(objects.velocities(turning(-1.5))[1, 0, 1], [0, 0, -15.0], rtol=1e-9)


def test_the_simulator_knows_better():
    clip = turning(0.1)
    known = np.full((9, 1, 3), np.nan, np.float32)
    known[4] = 7.0
    none = {"frame": (0,), "bodies": (0, 2), "position": (0, 3), "normal": (0, 3), "force": (0,), "peak": (0,)}
    rows = {
        name: np.zeros(shape, np.int32 if name in ("frame", "bodies") else np.float32) for name, shape in none.items()
    }
    joints = np.zeros((9, 0), np.float32)
    physics = Physics(velocity=known, spin=known, contacts=Contacts(**rows), joint_position=joints,
                      joint_place=joints[..., None].repeat(3, axis=-1))  # fmt: skip
    mixed, derived = objects.velocities(replace(clip, physics=physics)), objects.velocities(clip)
    assert (mixed[4] == 7.0).all()
    np.testing.assert_array_equal(mixed[[0, 8]], derived[[0, 8]])


def test_no_velocities_without_a_rate():
    with pytest.raises(UserError, match="frame_rate"):
        objects.velocities(replace(turning(0.1), meta={}))
