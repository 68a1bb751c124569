"""Silhouettes composed of what bodies cover: against many rays, and left alone where colours beside them say little."""

import numpy as np
import pytest

from generation import edges
from generation.edges import composed, silhouettes, spread
from tests.tiny import tiny_clip
from vdpm.derive import bodies, body_of_triangle
from vdpm.geometry import rays
from vdpm.raycast import first_hits

FINE = 24
"""Rays along each side of a sub-pixel, for what is true."""


@pytest.fixture(scope="module")
def clip():
    return tiny_clip(frames=3)


@pytest.fixture(scope="module")
def palette(clip):
    """A colour for each body, and for the sky, which is the last."""
    return np.random.default_rng(0).uniform(0.1, 1.0, (len(clip.surfaces.face_start), 3)).astype(np.float32)


def covered(clip, palette, height, width):
    """The image if every ray that meets a body brought its colour."""
    offset = (np.arange(FINE) + 0.5) / FINE
    v, u = ((np.arange(size)[:, None] + offset).ravel() for size in (height, width))
    place = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    triangle, _ = first_hits(clip.surfaces, clip.cameras, 0, rays(clip.cameras.K[0], place))
    met = palette[body_of_triangle(clip.surfaces, triangle)]
    return met.reshape(height, FINE, width, FINE, 3).mean(axis=(1, 3))


def by_lot(clip, palette, height, width, paths=5):
    """The image if as many paths as in a picture were drawn by lot."""
    place = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)[..., None, :]
    place = place + np.random.default_rng(1).uniform(size=(height, width, paths, 2))
    triangle, _ = first_hits(clip.surfaces, clip.cameras, 0, rays(clip.cameras.K[0], place.reshape(-1, 2)))
    return palette[body_of_triangle(clip.surfaces, triangle)].reshape(height, width, paths, 3).mean(axis=2)


def test_rays_are_spread_evenly_over_a_sub_pixel():
    place = spread(16)
    for cells in ((16, 1), (1, 16), (4, 4), (2, 8), (8, 2)):
        column, row = (place * cells).astype(int).T
        assert set(column * cells[1] + row) == set(range(16)), cells
    np.testing.assert_allclose(place.mean(axis=0), 0.5)


def test_silhouettes_are_found_where_bodies_meet(clip):
    body = bodies(clip, 0)
    split = silhouettes(clip, 0, body)
    assert len(split.row) > 20 and (split.body != split.body[:, :1]).any(axis=1).all()
    assert (split.body == body[split.row, split.column][:, None]).any(axis=1).mean() > 0.9, "its middle, mostly"


def test_coverage_is_that_of_many_rays_and_not_that_of_the_lot(clip, palette):
    body = bodies(clip, 0)
    truth, image = covered(clip, palette, *body.shape), by_lot(clip, palette, *body.shape)
    result = composed(clip, 0, body, image.astype(np.float32))
    split = silhouettes(clip, 0, body)
    there = np.zeros(body.shape, bool)
    there[split.row, split.column] = True
    np.testing.assert_array_equal(result[~there], image[~there].astype(np.float32))
    before, after = (np.sqrt(((one - truth)[there] ** 2).mean()) for one in (image, result))
    assert after < 0.4 * before


def test_where_light_changes_from_one_to_the_next_nothing_is_made_up(clip, palette):
    """Noise as strong as the contrast beside a silhouette: what was rendered stays."""
    body = bodies(clip, 0)
    image = (palette[body] * np.random.default_rng(2).uniform(0.2, 1.8, (*body.shape, 1))).astype(np.float32)
    split = silhouettes(clip, 0, body)
    pure = np.ones(body.shape, bool)
    pure[split.row, split.column] = False
    _, trust = edges.from_beside(split, body, pure, image)
    _, certain = edges.from_beside(split, body, pure, palette[body])
    assert np.median(trust) < 0.1 and np.median(certain) > 0.99


def test_without_a_neighbour_that_shows_it_whole_a_body_stays_as_rendered(clip):
    body = bodies(clip, 0)
    split = silhouettes(clip, 0, body)
    image = np.random.default_rng(3).uniform(size=(*body.shape, 3)).astype(np.float32)
    _, trust = edges.from_beside(split, body, np.zeros(body.shape, bool), image)
    assert (trust == 0).all()
