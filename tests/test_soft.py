"""Soft bodies: meshes fit to simulate, gravity, contact, strain within bounds, explosions refused, determinism."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from generation import assets, materials, softbody
from generation.scene import Body
from generation.softbody import Cloth, Jelly, SoftWorld, check, strain
from generation.softshapes import edges, filled, fitted, grid, sheet, sheet_faces, star, stretch, volumes
from generation.softthings import THICKNESS, cloth, on_floor, padded
from generation.subdivide import butterfly
from vdpm.geometry import rigid, transform

HEIGHT = 0.9
BOX = np.array([0.5, 0.5, 0.5])


def napkin(height: float = HEIGHT) -> Cloth:
    """A small cloth, level, so that tests are fast."""
    vertices, faces = grid(12, 1.0, 1.0)
    return Cloth(
        vertices=vertices + [0.0, 0.0, height],
        faces=faces,
        mass=0.16,
        stiffness=softbody.SPRING_RATE * 0.16 / 144,
        bending=1.0,
        damping=0.02,
    )


def blob(seed: int = 0) -> Jelly:
    surface, faces = star(np.random.default_rng(seed), 0.5)
    vertices, tetrahedra = filled(surface, faces)
    return Jelly(vertices=vertices + [0.0, 0.0, 0.6], tetrahedra=tetrahedra, mass=4.0, shear=5000.0, damping=0.02)


def block() -> assets.Asset:
    """A box half a metre large."""
    mesh = trimesh.creation.box(extents=BOX)
    return assets.Asset(
        id="box",
        mesh=assets.Mesh(vertices=np.asarray(mesh.vertices, np.float32), faces=np.asarray(mesh.faces, np.int32)),
        licence="none",
        collision="box",
    )


def drop(folder, thing, frames: int, velocity=(0.0, 0.0, 0.0), on_box: bool = True):
    """Where a thing goes that falls on a box of 30 kg or on the floor: the box's path and the thing's."""
    folder.mkdir(exist_ok=True)
    world = SoftWorld(folder)
    try:
        if on_box:
            world.add_rigid(block(), 30.0, rigid(np.eye(3), np.array([0.0, 0.0, 0.25])), "block")
        world.add_soft(thing, np.array(velocity))
        course = world.run(frames, 12)
    finally:
        world.close()
    return course.paths, course.motions[0]


@pytest.fixture(scope="module")
def draped(tmp_path_factory):
    return drop(tmp_path_factory.mktemp("draped"), napkin(), 14)


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    return drop(tmp_path_factory.mktemp("landed"), blob(), 8, on_box=False)[1]


def test_a_sheet_is_closed_outward_and_as_thick_as_it_should_be():
    rest, faces = grid(9, 1.2, 0.8)
    closed = trimesh.Trimesh(sheet(rest[None], faces, 0.02)[0], sheet_faces(faces, len(rest)), process=False)
    assert closed.is_watertight and closed.is_winding_consistent
    assert closed.volume == pytest.approx(1.2 * 0.8 * 0.02)


def test_a_grid_has_no_gaps_and_faces_up():
    rest, faces = grid(9, 1.2, 0.8)
    flat = trimesh.Trimesh(rest, faces, process=False)
    assert flat.area == pytest.approx(1.2 * 0.8)
    np.testing.assert_allclose(flat.face_normals, [[0.0, 0.0, 1.0]] * len(faces), atol=1e-12)
    assert len(edges(faces)) == len(rest) + len(faces) - 1  # Euler's formula for a disc


@pytest.mark.parametrize("seed", range(5))
def test_tetrahedra_fill_the_surface_exactly(seed):
    """All have positive volume, which adds up, and their boundary is the surface, closed and outward."""
    surface, faces = star(np.random.default_rng(seed), 0.8)
    vertices, tetrahedra = filled(surface, faces)
    closed = trimesh.Trimesh(surface, faces, process=False)
    assert closed.is_watertight and closed.volume > 0
    assert volumes(vertices, tetrahedra).min() > 1e-7
    assert volumes(vertices, tetrahedra).sum() == pytest.approx(closed.volume)
    sides = tetrahedra[:, [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]]].reshape(-1, 3)
    _, first, count = np.unique(np.sort(sides, axis=1), axis=0, return_index=True, return_counts=True)
    assert set(count.tolist()) == {1, 2}  # no gap and no overlap inside
    start = {tuple(np.roll(face, -int(np.argmin(face)))) for face in sides[first[count == 1]]}
    assert start == {tuple(np.roll(face, -int(np.argmin(face)))) for face in faces}


def test_the_frame_of_a_soft_body_follows_its_rigid_motion():
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(30, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    pose = rigid(rotation * np.sign(np.linalg.det(rotation)), rng.normal(size=3))
    found = fitted(rest, transform(pose, rest)[None])[0]
    np.testing.assert_allclose(found, pose, atol=1e-12)
    flat = rest * [1.0, 1.0, 0.0]  # a cloth at rest: no mirror image
    np.testing.assert_allclose(fitted(flat, transform(pose, flat)[None])[0], pose, atol=1e-12)


def test_free_fall_follows_gravity(draped):
    """Until the first contact, at (HEIGHT - 0.5 - CLOTH_MARGIN) m, the cloth stays level and falls by g t^2 / 2."""
    _, motion = draped
    for frame in range(3):
        time = frame / 12
        np.testing.assert_allclose(motion[frame, :, 2], HEIGHT - 9.81 / 2 * time * (time + 1 / 480), atol=2e-3)
        np.testing.assert_allclose(motion[frame, :, :2], motion[0, :, :2], atol=1e-6)


def test_a_start_velocity_is_kept_in_the_air(tmp_path):
    _, motion = drop(tmp_path, napkin(2.0), 3, velocity=(1.0, -2.0, 0.5), on_box=False)
    np.testing.assert_allclose((motion[2] - motion[0]).mean(axis=0)[:2], np.array([1.0, -2.0]) * 2 / 12, atol=1e-3)


def test_rigid_things_lie_still_before_anything_soft_comes(tmp_path):
    """A box set down on an edge falls over first, and does not move in the clip."""
    world = SoftWorld(tmp_path)
    try:
        tilted = Rotation.from_euler("x", 30, degrees=True).as_matrix()
        world.add_rigid(block(), 30.0, rigid(tilted, np.array([0.0, 0.0, 0.5])), "block")
        (still,) = world.settle()
        path = world.run(7, 12).paths[0]
    finally:
        world.close()
    assert still[2, 3] == pytest.approx(BOX[2] / 2, abs=1e-3)
    np.testing.assert_allclose(path, np.tile(still, (7, 1, 1)), atol=1e-4)


def test_cloth_rests_on_the_box_without_cutting_it_or_the_floor(draped):
    (path,), motion = draped
    moved = np.linalg.norm(path[-1, :3, 3] - path[0, :3, 3])
    assert moved < 0.01  # 30 kg do not mind a napkin
    inside = BOX / 2 - np.abs(transform(np.linalg.inv(path[-1]), motion[-1]))
    assert inside.min(axis=1).max() < 1e-3  # metres that any vertex is inside the box
    over = np.abs(motion[-1, :, :2]).max(axis=1) < 0.2
    assert over.any() and motion[-1, over, 2].min() > 0.5
    assert motion[-1, :, 2].max() < 0.6 and motion[-1, :, 2].min() > -1e-3


def test_cloth_is_hardly_stretched_and_says_so(draped):
    _, motion = draped
    lengths = stretch(motion, napkin().vertices, napkin().faces)
    assert lengths.max() < 1.25 and np.abs(lengths - 1).mean() < 0.02
    facts = strain(napkin(), motion)
    assert facts["stretch_max"] == pytest.approx(lengths.max())
    np.testing.assert_allclose(lengths[0], 1.0, atol=1e-6)


def test_a_jelly_is_squashed_by_its_landing_and_keeps_its_volume(landed):
    facts = strain(blob(), landed)
    assert 0.8 < facts["volume_min"] <= facts["volume_max"] < 1.1
    assert 1.02 < facts["stretch_max"] < 2.0
    assert landed[:, :, 2].min() > -0.005
    assert np.ptp(landed[:, :, 2], axis=1).min() < 0.97 * np.ptp(landed[0, :, 2])


def test_what_is_shown_of_a_jelly_touches_the_floor_it_lies_on(landed):
    """The simulation keeps it off by a margin, which is shown as part of it; nothing shown is below the floor."""
    surface, faces = star(np.random.default_rng(0), 0.5)
    refinement = butterfly(faces, len(surface))
    shown = on_floor(padded(refinement(landed[:, : len(surface)]), refinement.faces))
    assert landed[-1, :, 2].min() > 0.01 and 0 < shown[:, :, 2].min() < 0.001
    ball = padded(refinement(surface)[None], refinement.faces)[0]
    solids = (trimesh.Trimesh(refinement(surface), refinement.faces), trimesh.Trimesh(ball, refinement.faces))
    assert solids[1].volume == pytest.approx(solids[0].volume + softbody.JELLY_MARGIN * solids[0].area, rel=0.05)


def test_the_same_calls_give_the_same_numbers(landed, draped, tmp_path):
    np.testing.assert_array_equal(drop(tmp_path / "jelly", blob(), 8, on_box=False)[1], landed)
    paths, motion = drop(tmp_path / "cloth", napkin(), 14)
    np.testing.assert_array_equal(motion, draped[1])
    np.testing.assert_array_equal(paths[0], draped[0][0])


def test_an_exploding_cloth_is_refused(tmp_path):
    wild = replace(napkin(), stiffness=2000 * napkin().stiffness)
    with pytest.raises(RuntimeError, match=r"stretched|exploded|below the floor"):
        drop(tmp_path, wild, 14)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda v: np.where(np.arange(len(v))[:, None] == 3, np.nan, v), "exploded"),
        (lambda v: v + [0.0, 30.0, 0.0], "exploded"),
        (lambda v: v - [0.0, 0.0, 0.95], "below the floor"),
        (lambda v: v * [1.7, 1.0, 1.0], "stretched"),
    ],
)
def test_what_no_sound_simulation_gives_is_refused(spoil, reason):
    check(napkin(), napkin().vertices)
    with pytest.raises(RuntimeError, match=reason):
        check(napkin(), spoil(napkin().vertices))


def test_a_jelly_that_loses_its_volume_is_refused():
    flat = (blob().vertices - [0.0, 0.0, 0.6]) * [1.0, 1.0, 0.5] + [0.0, 0.0, 0.6]
    with pytest.raises(RuntimeError, match="of its volume"):
        check(blob(), flat)


def test_a_thing_becomes_a_body_whose_posed_shapes_are_the_simulated_ones():
    """To the thickness of the sheet: the mean of its two sides is the surface that was simulated."""
    rng = np.random.default_rng(0)
    prop = Body(
        name="box",
        asset=block(),
        material=materials.for_object(rng, block()),
        world_from_body=rigid(np.eye(3), np.array([0.0, 0.0, 0.25]))[None],
    )
    thing = cloth(rng, rng, [prop])
    motion = np.stack([thing.soft.vertices, thing.soft.vertices - [0.0, 0.0, 0.1]])
    body = thing.body(motion, "cloth")
    assert body.shapes is not None
    posed = transform(body.world_from_body[:, None], body.shapes.astype(np.float64))
    upper, lower = np.split(posed, 2, axis=1)
    np.testing.assert_allclose((upper + lower) / 2, motion, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(upper - lower, axis=-1), THICKNESS, atol=1e-6)
    np.testing.assert_allclose(body.shapes[0], body.asset.mesh.vertices, atol=1e-6)
