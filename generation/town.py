"""A straight road along x, what stands beside it and what drives on it."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from generation import blocks, materials
from generation.scene import Asset, Body, Material
from vdpm.geometry import rigid

ROAD_HALF, KERB, AHEAD, BEHIND = 4.0, 3.0, 110.0, 15.0
"""Metres: half of the road, a pavement, and how far the houses go."""
Yaw = Float64[np.ndarray, "3 3"]
SIDE = {1: np.eye(3), -1: np.diag([-1.0, -1.0, 1.0])}
"""Turn of what stands on the left (+y) and on the right of the road, so that its -y side faces the road."""


def _body(
    name: str, asset: Asset, material: Material, path: Float64[np.ndarray, "T 4 4"], role: str, group: str | None = None
) -> Body:
    return Body(name=name, asset=asset, material=material, world_from_body=path, facts={"role": role}, group=group)


def _at(turn: Yaw, place: tuple[float, float], frames: int) -> Float64[np.ndarray, "T 4 4"]:
    return np.tile(rigid(turn, np.array([*place, 0.0])), (frames, 1, 1))


def road(frames: int) -> Iterator[Body]:
    """Asphalt, two pavements and the dashed line, each a slab a little higher than the one before."""
    length, still = AHEAD + BEHIND + 90.0, _at(np.eye(3), (45.0, 0.0), frames)
    yield _body("road", blocks.asset("road", [blocks.box((length, 2 * ROAD_HALF, 0.02), (0, 0, 0))]),
                materials.uniform(0.05, 0.9), still, "structure")  # fmt: skip
    slabs = [blocks.box((length, KERB, 0.14), (0, s * (ROAD_HALF + KERB / 2), 0)) for s in (-1, 1)]
    yield _body("pavement", blocks.asset("pavement", slabs), materials.uniform(0.35, 0.9), still, "structure")
    dashes = [blocks.box((3.0, 0.14, 0.03), (x, 0.0, 0)) for x in np.arange(-length / 2 + 3, length / 2 - 3, 7.0)]
    yield _body("dashes", blocks.asset("dashes", dashes), materials.uniform(0.8, 0.6), still, "structure")


def sides(rng: np.random.Generator, look: np.random.Generator, frames: int) -> Iterator[Body]:
    """On both sides: a row of houses; trees, lamp posts and parked cars along the kerb."""
    for side in (1, -1):
        at, number = -BEHIND, 0
        while at < AHEAD:
            house, windows = blocks.building(rng)
            size = np.ptp(house.mesh.vertices, axis=0)
            place = (at + size[0] / 2, side * (ROAD_HALF + KERB + size[1] / 2 + rng.uniform(0.5, 3.0)))
            path, name = _at(SIDE[side], place, frames), f"{'left' if side > 0 else 'right'}_{number}"
            whole = f"building_{name}"
            yield _body(f"house_{name}", house, materials.masonry(look), path, "structure", whole)
            yield _body(f"windows_{name}", windows, materials.uniform(0.03, 0.08), path, "structure", whole)
            yield from _kerbside(rng, look, at + size[0] * rng.uniform(0.1, 0.9), side, name, frames)
            at, number = at + size[0] + rng.uniform(0.0, 6.0), number + 1


def _kerbside(
    rng: np.random.Generator, look: np.random.Generator, x: float, side: int, name: str, frames: int
) -> Iterator[Body]:
    """One thing at the kerb: a tree, a lamp post, or a parked car."""
    path = _at(SIDE[side], (x, side * (ROAD_HALF + 0.9)), frames)
    kind = rng.uniform()
    if kind < 0.4:
        trunk, crown = blocks.tree(rng)
        yield _body(f"trunk_{name}", trunk, materials.timber(look), path, "structure", f"tree_{name}")
        yield _body(f"crown_{name}", crown, materials.leaves(look), path, "structure", f"tree_{name}")
    elif kind < 0.65:
        yield _body(f"lamp_{name}", blocks.lamp_post(rng), materials.uniform(0.15, 0.4), path, "structure")
    else:
        parked = _at(SIDE[side], (x, side * (ROAD_HALF - 0.75)), frames)
        yield from _car(rng, look, f"parked_{name}", parked, "parked")


def _car(
    rng: np.random.Generator, look: np.random.Generator, name: str, path: Float64[np.ndarray, "T 4 4"], role: str
) -> Iterator[Body]:
    body, trim = blocks.car(rng)
    yield _body(name, body, materials.paint(look, (0.0, 0.9), (0.15, 0.95)), path, role, name)
    yield _body(f"{name}_trim", trim, materials.uniform(0.02, 0.25), path, role, name)


def traffic(rng: np.random.Generator, look: np.random.Generator, times: Float64[np.ndarray, " T"]) -> Iterator[Body]:
    """1-3 cars ahead that pull away or are caught up with, and 1-4 that come towards the camera, none touching."""
    for heading, number, start in ((1, int(rng.integers(1, 4)), 22.0), (-1, int(rng.integers(1, 5)), 12.0)):
        speed, x = rng.uniform(4.0, 12.0), start + rng.uniform(0.0, 12.0)
        for index in range(number):
            along = x + heading * speed * times
            lane = -heading * ROAD_HALF / 2 * 0.8 + 0.1 * np.sin(0.7 * times + rng.uniform(0, 6.28))
            path = rigid(np.tile(SIDE[heading], (len(times), 1, 1)), np.stack([along, lane, 0 * times], axis=-1))
            yield from _car(rng, look, f"car_{'away' if heading > 0 else 'towards'}_{index}", path, "driving")
            x += rng.uniform(9.0, 25.0)
