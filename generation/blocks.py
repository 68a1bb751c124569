"""Things built of boxes, cylinders and the like: furniture, rooms, vehicles, houses. Metres, standing on z = 0."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import trimesh

from generation.assets import OURS
from generation.scene import Asset, Mesh

Point = tuple[float, float, float]


def box(size: Point, base: Point) -> trimesh.Trimesh:
    """An upright box; `base` is the middle of its bottom."""
    middle = (base[0], base[1], base[2] + size[2] / 2)
    return trimesh.creation.box(extents=size, transform=trimesh.transformations.translation_matrix(middle))


def post(radius: float, height: float, base: Point) -> trimesh.Trimesh:
    """An upright cylinder; `base` is the middle of its bottom."""
    middle = (base[0], base[1], base[2] + height / 2)
    move = trimesh.transformations.translation_matrix(middle)
    return trimesh.creation.cylinder(radius=radius, height=height, sections=24, transform=move)


def asset(name: str, parts: Iterable[trimesh.Trimesh], smooth: bool = False) -> Asset:
    """Parts joined into one asset whose origin stays where it is; each part collides as its hull."""
    parts = list(parts)
    joined: Any = trimesh.util.concatenate(parts)
    corners = tuple(np.asarray(part.vertices, np.float32) for part in parts)
    mesh = Mesh(
        vertices=np.asarray(joined.vertices, np.float32), faces=np.asarray(joined.faces, np.int32), smooth=smooth
    )
    return Asset(id=f"procedural/{name}", mesh=mesh, licence=OURS, pieces=corners if len(parts) > 1 else ())


def table(rng: np.random.Generator) -> Asset:
    """A table with four legs."""
    length, depth, height = rng.uniform(1.0, 2.0), rng.uniform(0.6, 1.0), rng.uniform(0.55, 0.8)
    x, y = length / 2 - 0.06, depth / 2 - 0.06
    legs = [box((0.06, 0.06, height - 0.04), (sx * x, sy * y, 0.0)) for sx in (-1, 1) for sy in (-1, 1)]
    return asset("table", [box((length, depth, 0.04), (0.0, 0.0, height - 0.04)), *legs])


def chair(rng: np.random.Generator) -> Asset:
    """A chair with a straight back."""
    seat = rng.uniform(0.42, 0.5)
    legs = [box((0.04, 0.04, seat - 0.04), (sx * 0.2, sy * 0.2, 0.0)) for sx in (-1, 1) for sy in (-1, 1)]
    back = box((0.44, 0.03, rng.uniform(0.35, 0.55)), (0.0, 0.205, seat))
    return asset("chair", [box((0.44, 0.44, 0.04), (0.0, 0.0, seat - 0.04)), back, *legs])


def shelf(rng: np.random.Generator) -> Asset:
    """A bookcase, open to -y, with books of random sizes."""
    width, height, depth, boards = rng.uniform(0.8, 1.4), rng.uniform(1.2, 2.1), 0.32, int(rng.integers(3, 6))
    rise = height / boards
    sides = [box((0.03, depth, height), (s * (width / 2 - 0.015), 0.0, 0.0)) for s in (-1, 1)]
    levels = [box((width - 0.06, depth, 0.03), (0.0, 0.0, level * rise)) for level in range(boards)]
    parts = [
        *sides,
        *levels,
        box((width, depth, 0.03), (0.0, 0.0, height)),
        box((width, 0.02, height), (0.0, 0.17, 0.0)),
    ]
    for level in range(boards):
        at = -width / 2 + 0.05
        while (at := at + rng.uniform(0.03, 0.09)) < width / 2 - 0.1:
            tall = rng.uniform(0.55, 0.85) * rise
            parts.append(box((rng.uniform(0.02, 0.05), 0.2, tall), (at, 0.0, level * rise + 0.031)))
    return asset("shelf", parts)


def sofa(rng: np.random.Generator) -> Asset:
    """A sofa with arms and cushions."""
    width = rng.uniform(1.4, 2.2)
    arms = [box((0.18, 0.85, 0.6), (s * (width / 2 + 0.09), 0.0, 0.0)) for s in (-1, 1)]
    cushions = [box((width / 2 - 0.03, 0.6, 0.16), (s * width / 4, -0.1, 0.3)) for s in (-1, 1)]
    return asset(
        "sofa", [box((width, 0.85, 0.3), (0, 0, 0)), box((width, 0.2, 0.5), (0, 0.325, 0.3)), *arms, *cushions]
    )


def cabinet(rng: np.random.Generator) -> Asset:
    """A chest of drawers with knobs."""
    width, height, rows = rng.uniform(0.6, 1.2), rng.uniform(0.7, 1.1), int(rng.integers(2, 5))
    drawer = (height - 0.1) / rows
    fronts = [box((width - 0.06, 0.03, drawer - 0.03), (0.0, -0.23, 0.06 + row * drawer)) for row in range(rows)]
    knobs = [post(0.02, 0.03, (0.0, -0.26, 0.05 + (row + 0.5) * drawer)) for row in range(rows)]
    return asset("cabinet", [box((width, 0.45, height), (0.0, 0.0, 0.0)), *fronts, *knobs])


FURNITURE = (table, chair, shelf, sofa, cabinet)


def walls(half: tuple[float, float], height: float) -> dict[str, Asset]:
    """Four walls and a ceiling, each a slab of its own outside of the room, so that a look can be given to each."""
    x, y, t = half[0], half[1], 0.1
    return {
        "wall_east": asset("wall", [box((t, 2 * y + 2 * t, height), (x + t / 2, 0, 0))]),
        "wall_west": asset("wall", [box((t, 2 * y + 2 * t, height), (-x - t / 2, 0, 0))]),
        "wall_north": asset("wall", [box((2 * x, t, height), (0, y + t / 2, 0))]),
        "wall_south": asset("wall", [box((2 * x, t, height), (0, -y - t / 2, 0))]),
        "ceiling": asset("ceiling", [box((2 * x + 2 * t, 2 * y + 2 * t, t), (0, 0, height))]),
    }


def car(rng: np.random.Generator) -> tuple[Asset, Asset]:
    """The body and the dark parts (wheels and windows) of a vehicle 3.6 to 5 m long that heads for +x."""
    length, width, low = rng.uniform(3.6, 5.0), rng.uniform(1.7, 1.95), rng.uniform(0.55, 0.75)
    cabin_length, cabin_height = length * rng.uniform(0.45, 0.7), rng.uniform(0.5, 0.9)
    wheels = [
        trimesh.creation.cylinder(
            radius=0.33,
            height=0.24,
            sections=32,
            transform=trimesh.transformations.translation_matrix((sx * length * 0.31, sy * (width / 2 - 0.1), 0.33))
            @ trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)),
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    hull = _tapered((length, width, low), 0.94, 0.28)
    roof = _tapered((cabin_length, width * 0.92, cabin_height), 0.75, 0.28 + low)
    glass = _tapered((cabin_length * 1.02, width * 0.935, cabin_height * 0.72), 0.79, 0.28 + low + 0.06)
    return asset("car", [hull, roof]), asset("car_trim", [*wheels, glass])


def _tapered(size: Point, top: float, lift: float) -> trimesh.Trimesh:
    """A box on z = lift whose top is smaller by a factor."""
    solid = box(size, (0.0, 0.0, lift))
    high = solid.vertices[:, 2] > lift + size[2] / 2
    solid.vertices[high, :2] *= top
    return solid


def building(rng: np.random.Generator) -> tuple[Asset, Asset]:
    """The walls of a house 6 to 14 m wide, and its windows, on the -y side; the street lies there."""
    width, depth, floors = rng.uniform(6, 14), rng.uniform(6, 12), int(rng.integers(2, 8))
    height = 3.1 * floors + 0.6
    columns = max(2, int(width / rng.uniform(1.8, 3.0)))
    panes = [
        box(
            (width / columns * 0.55, 0.12, 1.6),
            ((column + 0.5) / columns * width - width / 2, -depth / 2, 3.1 * floor + 1.0),
        )
        for column in range(columns)
        for floor in range(floors)
    ]
    cornice = box((width + 0.4, depth + 0.4, 0.4), (0.0, 0.0, height))
    return asset("building", [box((width, depth, height), (0.0, 0.0, 0.0)), cornice]), asset("windows", panes)


def tree(rng: np.random.Generator) -> tuple[Asset, Asset]:
    """A trunk and a crown 4 to 8 m high."""
    height, radius = rng.uniform(4, 8), rng.uniform(1.0, 1.9)
    crown = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    crown.vertices *= 1.0 + 0.13 * np.sin(crown.vertices @ rng.normal(scale=3.0, size=(3, 6))).sum(axis=1)[:, None] / 2
    crown.vertices += (0.0, 0.0, height - radius)
    return asset("trunk", [post(rng.uniform(0.1, 0.2), height - radius, (0, 0, 0))]), asset(
        "crown", [crown], smooth=True
    )


def lamp_post(rng: np.random.Generator) -> Asset:
    """A street lamp 5 to 7 m high with its arm over -y."""
    height = rng.uniform(5, 7)
    arm = box((0.08, 1.4, 0.08), (0.0, -0.7, height - 0.1))
    return asset("lamp_post", [post(0.07, height, (0, 0, 0)), arm, box((0.2, 0.5, 0.1), (0.0, -1.4, height - 0.2))])
