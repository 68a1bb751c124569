"""Creatures: closed forms of every deformation, smoothness in time, bodies fit to bend, nobody meets anybody."""

from functools import partial

import numpy as np
import pytest
import trimesh

from generation import assets, creatures, deform
from generation.scenes import creature
from generation.shapes import centred
from generation.subdivide import butterfly, cut
from generation.wander import wander
from vdpm.geometry import transform

SECONDS = np.arange(24) / 12


def rod() -> np.ndarray:
    """Points of a rod 2 m long: 41 cross-sections of 5 points each, the first of which is on its axis."""
    section = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [-0.1, 0.0], [0.0, -0.1]])
    along = np.linspace(-1.0, 1.0, 41)
    return np.stack([np.concatenate([np.full((5, 1), x), section], axis=1) for x in along]).reshape(-1, 3)


def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=3)


def volume(vertices: np.ndarray) -> float:
    """Of a deformed ball."""
    return float(trimesh.Trimesh(vertices, ball().faces, process=False).volume)


STILL = {
    "bend": partial(deform.bend, radians=0.0),
    "undulate": partial(deform.undulate, radians=0.0, waves=1.3, stiff=0.5),
    "flap": partial(deform.flap, radians=0.0, lag=1.0),
    "twist": partial(deform.twist, radians=0.0),
    "breathe": partial(deform.breathe, amount=0.0),
    "swell": partial(deform.swell, amount=0.0, waves=2.0),
    "squash": partial(deform.squash, amount=0.0),
}
MOVING = {
    "bend": partial(deform.bend, radians=1.1),
    "undulate": partial(deform.undulate, radians=0.6, waves=1.3, stiff=0.5),
    "flap": partial(deform.flap, radians=0.8, lag=1.0),
    "twist": partial(deform.twist, radians=1.2),
    "breathe": partial(deform.breathe, amount=0.2),
    "swell": partial(deform.swell, amount=0.2, waves=2.0),
    "squash": partial(deform.squash, amount=0.2),
}


@pytest.mark.parametrize("name", STILL)
def test_no_amplitude_is_the_identity(name):
    np.testing.assert_allclose(STILL[name](rod(), 1.0), rod(), atol=1e-12)


@pytest.mark.parametrize("name", MOVING)
def test_a_deformation_moves_and_comes_back_after_a_period(name):
    there, again = MOVING[name](rod(), 1.0), MOVING[name](rod(), 1.0 + 2 * np.pi)
    np.testing.assert_allclose(there, again, atol=1e-12)
    assert np.abs(there - rod()).max() > 0.005


@pytest.mark.parametrize("name", MOVING)
def test_a_deformation_is_smooth_in_its_phase(name):
    """Halving the step divides second differences by four: there is no corner anywhere in a period."""
    fine = np.stack([MOVING[name](rod(), phase) for phase in np.linspace(0, 2 * np.pi, 401)])
    second, coarse = np.abs(np.diff(fine, 2, axis=0)).max(), np.abs(np.diff(fine[::2], 2, axis=0)).max()
    assert coarse / second == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("name", ["bend", "undulate"])
@pytest.mark.parametrize("plane", [deform.SIDEWAYS, deform.UPWARDS])
def test_bending_keeps_the_centre_line_and_the_cross_sections(name, plane):
    bent = MOVING[name](rod(), 1.0, plane=plane).reshape(41, 5, 3)
    steps = np.linalg.norm(np.diff(bent[:, 0], axis=0), axis=-1)
    assert steps.sum() == pytest.approx(2.0, rel=2e-3) and (steps <= 0.05 + 1e-6).all()  # chords of arcs of 50 mm
    np.testing.assert_allclose(np.linalg.norm(bent[:, 1:] - bent[:, :1], axis=-1), 0.1, atol=1e-9)
    tangent = np.gradient(bent[:, 0], axis=0)[1:-1]
    across = np.einsum("sa,spa->sp", tangent, bent[1:-1, 1:] - bent[1:-1, :1])
    assert np.abs(across).max() < 0.05 * 0.1 * 0.05


def test_a_bend_is_an_arc():
    bent = deform.bend(rod(), np.pi / 2, radians=1.0).reshape(41, 5, 3)[:, 0]
    radius = 2.0 / 1.0  # length over angle
    tip = 2 * radius * np.sin(0.5)  # chord
    assert np.linalg.norm(bent[-1] - bent[0]) == pytest.approx(tip, rel=1e-5)


def test_a_twist_turns_cross_sections_rigidly():
    twisted = deform.twist(rod(), np.pi / 2, radians=1.2).reshape(41, 5, 3)
    np.testing.assert_allclose(twisted[..., 0], rod().reshape(41, 5, 3)[..., 0])
    np.testing.assert_allclose(np.linalg.norm(twisted[:, 1:, 1:], axis=-1), 0.1)
    turned = np.arctan2(twisted[-1, 1, 2], twisted[-1, 1, 1]) - np.arctan2(twisted[0, 1, 2], twisted[0, 1, 1])
    assert turned == pytest.approx(1.2)


def test_breathing_and_squashing_change_the_volume_by_their_formula():
    sphere = np.asarray(ball().vertices)
    for phase in (0.3, 2.0, 5.0):
        factor = volume(deform.breathe(sphere, phase, amount=0.2)) / volume(sphere)
        assert factor == pytest.approx((1 + 0.2 * np.sin(phase)) ** 3)
        assert volume(deform.squash(sphere, phase, amount=0.3)) == pytest.approx(volume(sphere))


@pytest.mark.parametrize("name", creatures.BODIES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_creature_is_closed_outward_and_fine_enough_to_bend(name, seed):
    mesh = centred(creatures.BODIES[name][0](np.random.default_rng(seed)))
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight and solid.is_winding_consistent and solid.volume > 0
    assert np.ptp(mesh.vertices[:, 0]) > 0.8  # it lies along x
    assert len(np.unique(mesh.vertices[:, 0].round(4))) >= creatures.RINGS


def test_cutting_keeps_the_surface_and_closes_every_gap():
    for asset in (assets.procedural("box", 0), assets.random_object(7)):
        finer = cut(cut(asset.mesh))
        before, after = (trimesh.Trimesh(m.vertices, m.faces) for m in (asset.mesh, finer))
        assert after.is_watertight and len(finer.faces) == 16 * len(asset.mesh.faces)
        assert after.area == pytest.approx(before.area, rel=1e-5)
        assert after.volume == pytest.approx(before.volume, rel=1e-5)
    textured = assets.model("duck").mesh
    finer = cut(textured)
    assert finer.uv is not None and len(finer.uv) == len(finer.vertices)


def test_the_butterfly_keeps_vertices_and_rounds_between_them():
    coarse = trimesh.creation.icosphere(subdivisions=2)
    vertices = np.asarray(coarse.vertices)
    refinement = butterfly(np.asarray(coarse.faces), len(vertices))
    finer = refinement(vertices)
    np.testing.assert_array_equal(finer[: len(vertices)], vertices)
    new = np.linalg.norm(finer[len(vertices) :], axis=1)
    flat = np.linalg.norm(vertices[refinement.stencil[:, :2]].mean(axis=1), axis=1)
    assert np.abs(new - 1).max() < 0.25 * np.abs(flat - 1).max()  # much nearer to the sphere than chords are
    solid = trimesh.Trimesh(finer, refinement.faces, process=False)
    assert solid.is_watertight and solid.is_winding_consistent and solid.volume > coarse.volume


def test_wandering_is_smooth_nose_first_and_at_constant_speed():
    seconds = np.linspace(0.0, 2.0, 201)
    for seed in range(5):
        path = wander(np.random.default_rng(seed), seconds, speed=0.8, level=seed % 2 == 0)
        velocity = np.diff(path[:, :3, 3], axis=0) / np.diff(seconds)[:, None]
        np.testing.assert_allclose(np.linalg.norm(velocity, axis=1), 0.8, rtol=1e-4)
        nose = (path[1:, :3, 0] + path[:-1, :3, 0]) / 2
        np.testing.assert_allclose(velocity / 0.8, nose, atol=1e-3)
        assert np.abs(np.diff(path, 2, axis=0)).max() < 1e-3
        if seed % 2 == 0:
            np.testing.assert_allclose(path[:, 2, 3], 0.0, atol=1e-12)


def test_creatures_keep_apart_and_above_the_floor(tmp_path):
    scene = creature.sample(np.random.default_rng(0), 12, (64, 64), tmp_path)
    alive = [body for body in scene.bodies if body.facts["role"] == "creature"]
    assert 3 <= len(alive) <= 6
    for body in alive:
        assert body.shapes is not None and body.shapes.dtype == np.float32
        assert body.shapes.shape == (12, len(body.asset.mesh.vertices), 3)
        lowest = transform(body.world_from_body[:, None], body.shapes.astype(np.float64))[..., 2].min(axis=1)
        assert lowest.min() > -1e-5
        if body.facts["crawls"]:
            np.testing.assert_allclose(lowest, 0.0, atol=1e-5)
        for other in scene.bodies[1:]:
            assert other is body or creatures.apart(body.world_from_body, creatures.reach(body.shapes), other)


def test_gaits_move_smoothly_and_the_seed_fixes_them():
    for seed in range(8):
        kind, again = (creatures.draw(np.random.default_rng(seed)) for _ in range(2))
        moved = deform.shapes(kind.asset.mesh.vertices, kind.gait, SECONDS)
        np.testing.assert_array_equal(moved, deform.shapes(again.asset.mesh.vertices, again.gait, SECONDS))
        size = np.ptp(kind.asset.mesh.vertices, axis=0).max()
        assert 0.02 * size < np.abs(moved - moved[0]).max() < size
        bound = (2 * np.pi * kind.gait.hertz / 12) ** 2  # of a sinusoid: amplitude times the square of the phase step
        assert np.abs(np.diff(moved, 2, axis=0)).max() < 2 * bound * 0.35 * size
