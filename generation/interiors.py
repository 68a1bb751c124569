"""Rooms: walls, what stands in them, what hangs on them. All of it stays where it is."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from generation import blocks, decor, materials
from generation.scene import Asset, Body, Material
from vdpm.geometry import rigid

Half = tuple[float, float]
"""Half of the sides of a room, metres."""
SLOT = 1.5
"""Metres of wall for each thing that hangs there."""


def shell(look: np.random.Generator, half: Half, height: float, frames: int) -> list[Body]:
    """Walls of one colour, sometimes one of another, and a pale ceiling."""
    walls, accent = (materials.paint(look, (0.0, 0.35), (0.6, 0.95)) for _ in range(2))
    ceiling = materials.paint(look, (0.0, 0.05), (0.85, 0.95))
    paints = {"wall_north": accent, "ceiling": ceiling}
    return [
        standing(name, asset, paints.get(name, walls), np.eye(4), frames)
        for name, asset in blocks.walls(half, height).items()
    ]


def furnished(rng: np.random.Generator, look: np.random.Generator, half: Half, frames: int) -> list[Body]:
    """Pieces at random places, turned by quarter turns, that keep clear of each other and of the walls."""
    bodies, taken = [], []
    for number in range(int(rng.integers(3, 8))):
        asset = blocks.FURNITURE[int(rng.integers(len(blocks.FURNITURE)))](rng)
        radius = float(np.linalg.norm(asset.mesh.vertices[:, :2], axis=1).max())
        for _ in range(30):
            place = rng.uniform(-1, 1, size=2) * (np.array(half) - radius - 0.05)
            if all(np.linalg.norm(place - other) > radius + reach for other, reach in taken):
                taken.append((place, radius))
                pose = rigid(quarter_turns(int(rng.integers(4))), np.array([*place, 0.0]))
                material = (
                    materials.timber(look) if look.uniform() < 0.6 else materials.paint(look, (0.1, 0.7), (0.2, 0.9))
                )
                bodies.append(standing(f"furniture_{number}", asset, material, pose, frames))
                break
    return bodies


def decorated(rng: np.random.Generator, half: Half, frames: int) -> Iterator[Body]:
    """Skirting, often a rug, a door, and on the rest of the walls windows, pictures and boards, or nothing."""
    trim = materials.timber(rng) if rng.uniform() < 0.4 else materials.paint(rng, (0.0, 0.1), (0.8, 0.95))
    yield standing("skirting", decor.skirting(half), trim, np.eye(4), frames)
    if rng.uniform() < 0.7:
        rug = decor.rug(rng, half)
        yield standing("rug", rug, materials.carpet(rng), np.eye(4), frames)
    frame, doors = materials.timber(rng), int(rng.integers(4))
    for wall in range(4):
        length, depth = 2 * half[wall % 2], half[1 - wall % 2]
        slots = int(length / SLOT)
        for slot in range(slots):
            along = ((slot + 0.5) / slots - 0.5) * length
            kind = (
                "door"
                if wall == doors and not slot
                else str(rng.choice(list(decor.KINDS), p=list(decor.KINDS.values())))
            )
            pose = rigid(quarter_turns(wall), np.zeros(3)) @ rigid(np.eye(3), np.array([along, depth, 0.0]))
            for part, (asset, material) in decor.hung(rng, kind, frame, trim).items():
                yield standing(f"{kind}_{wall}{slot}_{part}", asset, material, pose, frames, f"{kind}_{wall}{slot}")


def standing(
    name: str, asset: Asset, material: Material, pose: Float64[np.ndarray, "4 4"], frames: int, group: str | None = None
) -> Body:
    """A body that belongs to the room."""
    path = np.tile(pose, (frames, 1, 1))
    return Body(
        name=name, asset=asset, material=material, world_from_body=path, facts={"role": "structure"}, group=group
    )


def quarter_turns(number: int) -> Float64[np.ndarray, "3 3"]:
    """Rotation about z."""
    c, s = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][number]
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
