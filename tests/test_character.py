"""People: motion capture, the skin, its bones, clothes, and the floor under their feet."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree

from generation import actors, heads, motions, people, wardrobe
from generation.implicit import Capsule, capsule_distance, cut, mesh_of
from generation.quaternions import about, blend, matrices, multiply, rotate
from generation.scene import Body
from vdpm.geometry import transform

SECONDS = np.arange(24) / 12


@pytest.fixture(scope="module")
def body() -> people.Skin:
    return people.skin(actors.BUILDS[0])


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Enclosed volume by the divergence theorem; negative if triangles face inwards."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("na,na->n", a, np.cross(b, c)).sum() / 6)


def test_quaternions_turn_as_matrices_do():
    rng = np.random.default_rng(0)
    q, p, points = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    q, p = q / np.linalg.norm(q, axis=1, keepdims=True), p / np.linalg.norm(p, axis=1, keepdims=True)
    np.testing.assert_allclose(rotate(q, points), np.einsum("nab,nb->na", matrices(q), points), atol=1e-14)
    np.testing.assert_allclose(matrices(multiply(q, p)), matrices(q) @ matrices(p), atol=1e-14)
    np.testing.assert_allclose(rotate(about(np.array([0.0, 0.0, 1.0]), np.pi / 2), np.eye(3)[0]), [0, 1, 0], atol=1e-15)


def test_a_ball_is_meshed_as_a_ball():
    ball = Capsule(start=(0.1, 0.0, 0.0), end=(0.1, 0.0, 0.0), radii=(0.5, 0.5))
    vertices, faces = mesh_of(lambda p: capsule_distance(ball, p), np.full(3, -0.7), np.full(3, 0.7), 0.05)
    np.testing.assert_allclose(np.linalg.norm(vertices - [0.1, 0.0, 0.0], axis=1), 0.5, atol=1e-6)
    assert trimesh.Trimesh(vertices, faces, process=False).is_watertight
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.01)


def test_a_cut_changes_nothing_but_the_triangles(body):
    level = body.vertices[:, 2] - 0.3
    vertices, faces = cut(body.vertices, body.faces, level)
    np.testing.assert_array_equal(vertices[: len(body.vertices)], body.vertices)
    assert len(faces) > len(body.faces) and trimesh.Trimesh(vertices, faces, process=False).is_watertight
    assert volume(vertices, faces) == pytest.approx(volume(body.vertices, body.faces), rel=1e-9)
    above = vertices[faces][..., 2] - 0.3
    assert not ((above.min(axis=1) < -0.004) & (above.max(axis=1) > 0.004)).any()


@pytest.mark.parametrize("name", ["walk", "run", "backflip"])
def test_key_frames_are_met_and_cycles_close(name):
    """The skeleton stands as the file says at a key frame, and a cycle later it stands the same, farther on."""
    motion = motions.load(name)
    pose = motions.at(motion, motion.seconds[[0, 5]])
    np.testing.assert_allclose(matrices(pose.rotation[:, 0]), matrices(motion.turns[[0, 5], 0]), atol=1e-12)
    np.testing.assert_allclose(pose.origin[:, 0], motion.root[[0, 5]], atol=1e-12)
    length = motion.seconds[-1]
    start, again = motions.at(motion, np.array([0.1])), motions.at(motion, np.array([0.1 + length]))
    np.testing.assert_allclose(matrices(again.rotation), matrices(start.rotation), atol=1e-9)
    stride = (motion.root[-1] - motion.root[0]) * [1, 1, 0]
    np.testing.assert_allclose(again.origin, start.origin + stride, atol=1e-9)


def test_motions_are_as_smooth_as_their_key_frames():
    """No joint jumps: no bone turns faster than 40 rad/s, in loops either."""
    for name in motions.names():
        pose = motions.at(motions.load(name), np.arange(0.0, 4.0, 0.01))
        cosine = np.abs((pose.rotation[1:] * pose.rotation[:-1]).sum(axis=-1))
        assert (2 * np.arccos(np.clip(cosine, 0, 1)) / 0.01).max() < 40.0, name


def test_bones_keep_their_lengths_and_knees_bend_backwards():
    """But for the 10 degrees by which closing a cycle may stretch a knee."""
    for name in motions.names():
        pose = motions.at(motions.load(name), SECONDS)
        for number, bone in enumerate(motions.SKELETON[1:], start=1):
            length = np.linalg.norm(pose.origin[:, number] - pose.origin[:, bone.parent], axis=-1)
            np.testing.assert_allclose(length, np.linalg.norm(bone.offset), atol=1e-12)
    hip, knee, ankle = (people.BONES.index(f"left_{part}") for part in ("hip", "knee", "ankle"))
    pose = motions.at(motions.load("run"), SECONDS)
    thigh, shin = pose.origin[:, knee] - pose.origin[:, hip], pose.origin[:, ankle] - pose.origin[:, knee]
    right = rotate(pose.rotation[:, hip], motions.RIGHT)
    sine = np.einsum("ta,ta->t", np.cross(thigh, shin), right) / np.linalg.norm(thigh[0]) / np.linalg.norm(shin[0])
    assert sine.max() < 0.2 and sine.min() < -0.9


@pytest.mark.parametrize("build", actors.BUILDS)
def test_the_skin_is_one_closed_surface(build):
    skin = people.skin(build)
    mesh = trimesh.Trimesh(skin.vertices, skin.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.body_count == 1
    assert mesh.euler_number == 2  # arms and legs have not grown together
    assert 0.04 < volume(skin.vertices, skin.faces) < 0.14
    np.testing.assert_allclose(skin.weights.sum(axis=1), 1.0, atol=1e-12)
    assert skin.weights.min() >= 0.0


def test_the_body_is_as_high_as_it_says(body):
    stance = people.posed(np.tile([1.0, 0, 0, 0], (1, len(people.BONES), 1)), np.zeros((1, 3)))
    height = np.ptp(people.skinned(body, stance)[0, :, 2])
    assert height == pytest.approx(actors.STANDARD_HEIGHT, abs=0.01)


def test_at_rest_nothing_moves(body):
    np.testing.assert_allclose(people.skinned(body, people.at_rest())[0], body.vertices, atol=1e-7)


def test_one_motion_of_all_bones_is_that_motion():
    rng = np.random.default_rng(1)
    points, weights = rng.normal(size=(20, 3)), rng.dirichlet(np.ones(4), size=20)
    turn, shift = about(np.array([0.6, 0.0, 0.8]), 1.2), rng.normal(size=3)
    moved = blend(np.tile(turn, (4, 1)), np.tile(shift, (4, 1)), weights, points)
    np.testing.assert_allclose(moved, rotate(turn, points) + shift, atol=1e-12)


def test_skin_that_one_bone_holds_moves_with_it(body):
    """The head, a thigh and a shin keep the distances of their vertices to a centimetre in the wildest clip."""
    shapes = people.skinned(body, motions.at(motions.load("backflip"), SECONDS)).astype(np.float64)
    for bone in ("neck", "left_hip", "right_knee"):
        held = np.flatnonzero(body.weights[:, people.BONES.index(bone)] > 0.97)
        assert len(held) > 20
        for pair in zip(held[:-1], held[1:], strict=True):
            before = np.linalg.norm(body.vertices[pair[0]] - body.vertices[pair[1]])
            after = np.linalg.norm(shapes[:, pair[0]] - shapes[:, pair[1]], axis=-1)
            np.testing.assert_allclose(after, before, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("name", motions.names())
def test_clips_keep_the_volume_and_the_ground(name, body):
    """Volume stays within 6 %; the lowest point of a clip is on the floor, and nothing is below it."""
    pose = motions.at(motions.load(name), SECONDS)
    shapes = people.skinned(body, pose)
    volumes = np.array([volume(shape, body.faces) for shape in shapes]) / volume(body.vertices, body.faces)
    assert 0.94 < volumes.min() and volumes.max() < 1.06
    world = transform(actors.grounded(pose, shapes, 1.0)[:, None], shapes.astype(np.float64))
    assert -0.01 < world[..., 2].min() < 0.03


def test_garments_share_the_whole_body(body):
    dressed, worn = wardrobe.dressed(body, wardrobe.draw_outfit(np.random.default_rng(2)))
    assert set(worn.tolist()) == set(range(len(wardrobe.GARMENTS)))
    parts = [wardrobe.part(dressed, worn == number) for number in range(len(wardrobe.GARMENTS))]
    assert sum(len(mesh.faces) for mesh, _ in parts) == len(dressed.faces)
    for mesh, used in parts:
        np.testing.assert_array_equal(mesh.vertices, dressed.vertices[used].astype(np.float32))
    assert trimesh.Trimesh(dressed.vertices, dressed.faces, process=False).is_watertight
    np.testing.assert_allclose(dressed.weights.sum(axis=1), 1.0, atol=1e-12)


def in_world(body: Body) -> np.ndarray:
    """Vertices at each time, (T, V, 3)."""
    shapes = body.asset.mesh.vertices[None] if body.shapes is None else body.shapes
    return transform(body.world_from_body[:, None], np.asarray(shapes, np.float64))


@pytest.mark.parametrize("build", actors.BUILDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_face_is_on_the_head(build, seed):
    """Solids are closed and touch the head; eyes, brows and lips look ahead, brows above eyes above lips."""
    carried, _ = heads.pieces(np.random.default_rng(seed), build)
    body, neck = people.skin(build), people.at_rest().origin[0, heads.BONE]
    head = body.vertices[body.vertices[:, 2] > neck[2]] - neck
    heights = {}
    for piece in carried:
        mesh = trimesh.Trimesh(piece.mesh.vertices, piece.mesh.faces, process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0, piece.name
        assert KDTree(head).query(mesh.vertices)[0].min() < 0.03, piece.name
        heights[piece.name] = mesh.vertices[:, 2].mean()
        if piece.name in ("whites", "irises", "brows", "lips"):
            assert mesh.vertices[:, 0].min() > 0.03 * build
            np.testing.assert_allclose(mesh.centroid[1], 0.0, atol=1e-3)
    assert heights["brows"] > heights["irises"] > heights["lips"]


def test_a_face_goes_with_the_head():
    """Distances between eyes and the skin of the head stay, whatever the person does."""
    rng, look = np.random.default_rng(6).spawn(2)
    found = {body.name: body for body in actors.person(rng, look, "a", SECONDS, ())}
    eyes, skin = in_world(found["a/irises"]).mean(axis=1), in_world(found["a/skin"])
    near = np.linalg.norm(skin[0] - eyes[0], axis=-1) < 0.06
    assert near.sum() > 5
    gaps = np.linalg.norm(skin[:, near] - eyes[:, None], axis=-1)
    np.testing.assert_allclose(gaps, np.tile(gaps[:1], (len(gaps), 1)), atol=0.004)


@pytest.mark.parametrize("seed", [4, 6, 44])  # hair and hats that roll over the floor, or lie on it
def test_what_a_head_carries_stays_above_the_floor(seed):
    rng, look = np.random.default_rng(seed), np.random.default_rng(0)
    found = actors.person(rng, look, "a", SECONDS, ())
    lowest = {body.name: in_world(body)[..., 2].min() for body in found}
    assert -1e-6 < min(lowest.values()) < 0.01, lowest


def test_people_do_not_meet():
    rng, look = np.random.default_rng(5).spawn(2)
    first = actors.person(rng, look, "a", SECONDS[:6], ())
    second = actors.person(rng, look, "b", SECONDS[:6], first)
    points = [np.concatenate([in_world(body) for body in person], axis=1) for person in (first, second)]
    for one, other in zip(*points, strict=True):
        gap = np.linalg.norm(one[::7, None, :2] - other[None, ::7, :2], axis=-1)
        assert gap.min() > 0.04
