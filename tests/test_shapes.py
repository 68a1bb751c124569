"""Procedural shapes and the catalogue: every entry is closed, centred, unit-sized and repeatable."""

import numpy as np
import pytest
import trimesh

from generation import assets
from generation.shapes import SHAPES, centred, scaled


def solid(mesh) -> trimesh.Trimesh:
    """Our mesh as trimesh sees it."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_shape_is_closed_outward_centred_and_one_metre(shape, seed):
    mesh = solid(centred(SHAPES[shape](np.random.default_rng(seed))))
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert merged.is_watertight
    assert merged.volume > 0  # faces wind counter-clockwise seen from outside
    assert mesh.extents.max() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(mesh.convex_hull.center_mass, 0.0, atol=1e-3)


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"sphere"}))
def test_the_seed_fixes_a_shape_and_another_seed_changes_it(shape):
    first, again, other = (SHAPES[shape](np.random.default_rng(seed)).vertices for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.allclose(first, other)


@pytest.mark.parametrize("name", assets.MODELS)
def test_a_model_loads_with_its_texture_and_licence(name):
    asset = assets.model(name)
    assert asset.licence
    assert (asset.texture is None) == (assets.MODELS[name][1] is None)
    if asset.texture is not None:
        assert asset.texture.is_file() and asset.mesh.uv is not None
        assert asset.mesh.uv.shape == (len(asset.mesh.vertices), 2)


def test_random_objects_are_closed():
    for number in (0, 499, assets.RANDOM_OBJECTS - 1):
        assert solid(assets.random_object(number).mesh).is_watertight


def test_a_drawn_asset_has_the_size_asked_for_and_a_licence():
    rng = np.random.default_rng(0)
    for _ in range(30):
        asset = assets.draw(rng, size=1.7)
        assert np.ptp(asset.mesh.vertices, axis=0).max() == pytest.approx(1.7, rel=1e-5)
        assert asset.licence


def test_scaling_keeps_everything_but_lengths():
    mesh = assets.model("duck").mesh
    larger = scaled(mesh, 2.0)
    np.testing.assert_allclose(larger.vertices, 2 * mesh.vertices)
    np.testing.assert_array_equal(larger.faces, mesh.faces)
    assert larger.uv is mesh.uv


def test_the_floor_is_level_and_faces_up():
    floor = solid(assets.floor(10.0).mesh)
    np.testing.assert_array_equal(floor.vertices[:, 2], 0.0)
    np.testing.assert_allclose(floor.face_normals, [[0.0, 0.0, 1.0]] * len(floor.faces))
    assert floor.area == pytest.approx(400.0)


def test_blender_ships_eight_environment_maps():
    assert len(assets.hdris()) == 8
