"""Rooms: what hangs on the walls is inside, flat against its wall, and never in the way of what hangs beside it."""

import numpy as np
import pytest

from generation import decor, interiors, materials
from generation.scene import Body
from vdpm.geometry import transform

HALF = (2.6, 3.4)
SEEDS = range(8)


def rooms() -> list[list[Body]]:
    return [list(interiors.decorated(np.random.default_rng(seed), HALF, 2)) for seed in SEEDS]


def whole(body: Body) -> str:
    """What a body is a part of."""
    return body.group or ""


def bounds(body: Body) -> tuple[np.ndarray, np.ndarray]:
    vertices = transform(body.world_from_body[0], body.asset.mesh.vertices.astype(np.float64))
    return vertices.min(axis=0), vertices.max(axis=0)


def test_all_is_inside_and_close_to_a_wall_or_the_floor():
    for body in (body for room in rooms() for body in room if body.name != "rug"):
        low, high = bounds(body)
        assert (low[:2] > -np.array(HALF) - 1e-6).all() and (high[:2] < np.array(HALF) + 1e-6).all(), body.name
        assert low[2] > -1e-6 and high[2] < 2.5, body.name
        if body.name != "skirting":
            away = np.array([HALF[0] - high[0], low[0] + HALF[0], HALF[1] - high[1], low[1] + HALF[1]])
            assert away.min() < 0.041, body.name


def test_neighbours_keep_apart():
    for room in rooms():
        things = [body for body in room if body.group]
        for body in things:
            for other in things:
                if whole(body) < whole(other):
                    (a, b), (c, d) = bounds(body), bounds(other)
                    assert ((b < c + 1e-6) | (d < a + 1e-6)).any(), (body.name, other.name)


def test_there_is_one_door_and_every_kind_comes_up():
    kinds = [{whole(body).split("_")[0] for body in room if body.group} for room in rooms()]
    assert all("door" in found for found in kinds)
    assert set.union(*kinds) == {"door", "window", "picture", "board"}
    names = [body.name for room in rooms() for body in room]
    assert sum("leaf" in name for name in names) == len(SEEDS)


@pytest.mark.parametrize("kind", ["door", "window", "picture", "board"])
def test_parts_fit_their_piece_of_wall(kind):
    wood, trim = materials.uniform(0.3, 0.5), materials.uniform(0.8, 0.5)
    for seed in SEEDS:
        for asset, _ in decor.hung(np.random.default_rng(seed), kind, wood, trim).values():
            corners = asset.mesh.vertices
            assert np.abs(corners[:, 0]).max() < interiors.SLOT / 2
            assert corners[:, 1].max() < 1e-6 and corners[:, 1].min() > -0.201
