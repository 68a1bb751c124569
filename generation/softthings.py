"""What the family `soft` drops: cloths and jellies, from numbers to bodies."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from generation import assets, materials
from generation.contacts import Touching
from generation.scene import Asset, Body, Material, Mesh, Pattern
from generation.softbody import FRICTION, JELLY_MARGIN, SPRING_RATE, Cloth, Jelly, Motion, Soft, SoftWorld, strain
from generation.softshapes import (
    Faces,
    Vertices,
    filled,
    fitted,
    grid,
    sheet,
    sheet_faces,
    star,
    vertex_normals,
    volumes,
)
from generation.subdivide import butterfly
from vdpm.geometry import invert, transform

Box = tuple[Float64[np.ndarray, " 3"], Float64[np.ndarray, " 3"]]
CLOTH_VERTICES, THICKNESS = 24, 0.014
"""Along a side; metres."""
CLOTH_DENSITY, JELLY_DENSITY = 0.16, 60.0
"""kg/m2, kg/m3."""
CRITICAL = 0.02
"""Damping of a cloth's springs as a share of the critical."""
CLOTH_PATTERNS: tuple[Pattern, ...] = ("weave", "stripes", "checker", "plain", "noise", "cells")
JELLY_PATTERNS: tuple[Pattern, ...] = ("plain", "marble", "noise", "stripes", "checker", "cells")
TRIES, GAP = 100, 0.05
"""Metres between bounding boxes."""
FLOOR_GAP = 0.0005
"""Metres; on the floor itself the renderer could not tell which is above."""


@dataclass(frozen=True, kw_only=True)
class SoftThing:
    """A soft thing where it starts, and how it is shown."""

    soft: Soft
    asset: Asset
    """What is shown, at rest."""
    skin: Callable[[Motion], Motion]
    """Vertices that are shown, of vertices that are simulated."""
    material: Material
    velocity: Float64[np.ndarray, " 3"]
    """m/s."""
    facts: dict[str, float | bool | str]

    def body(self, motion: Motion, name: str) -> Body:
        """The body that a simulated motion of the vertices makes. Its frame follows as a rigid thing can at best."""
        shown = self.skin(motion)
        world_from_body = fitted(self.asset.mesh.vertices, shown)
        return Body(
            name=name,
            asset=self.asset,
            material=self.material,
            world_from_body=world_from_body,
            shapes=transform(invert(world_from_body)[:, None], shown).astype(np.float32),
            facts=self.facts | {"mass": self.soft.mass, "friction": FRICTION} | strain(self.soft, motion),
        )


def cloth(rng: np.random.Generator, look: np.random.Generator, props: list[Body]) -> SoftThing:
    """A cloth of 1.6 to 2.8 m, a bit tilted, over one of the props and above them all."""
    width, depth = rng.uniform(1.6, 2.8, size=2)
    rest, faces = grid(CLOTH_VERTICES, width, depth)
    tilt = Rotation.from_euler("zxy", rng.uniform((-np.pi, -0.4, -0.4), (np.pi, 0.4, 0.4)))
    vertices = tilt.apply(rest)
    below = props[int(rng.integers(len(props)))].world_from_body[0, :3, 3]
    top = max(box(prop)[1][2] for prop in props)
    vertices += [*(below[:2] + rng.uniform(-0.3, 0.3, size=2)), top + rng.uniform(0.1, 0.6) - vertices[:, 2].min()]
    lump = CLOTH_DENSITY * width * depth / len(rest)
    stiffness = SPRING_RATE * lump
    mesh = Mesh(vertices=sheet(rest[None], faces, THICKNESS)[0].astype(np.float32), faces=sheet_faces(faces, len(rest)))
    asset = Asset(id="procedural/cloth", mesh=mesh, licence=assets.OURS)
    return SoftThing(
        soft=Cloth(
            vertices=vertices,
            faces=faces,
            mass=lump * len(rest),
            stiffness=stiffness,
            bending=stiffness * rng.uniform(0.01, 0.04),
            damping=2 * CRITICAL * np.sqrt(stiffness * lump),
        ),
        asset=asset,
        skin=lambda motion: on_floor(sheet(motion, faces, THICKNESS)),
        material=fabric(look),
        velocity=rng.uniform((-0.5, -0.5, -2.0), (0.5, 0.5, 0.0)),
        facts={"role": "cloth", "stiffness": stiffness},
    )


def jelly(rng: np.random.Generator, look: np.random.Generator, props: list[Body], others: list[SoftThing]) -> SoftThing:
    """A soft body of 0.6 to 1.2 m in the air, tossed towards the middle, that touches nothing yet.

    Raises:
        RuntimeError: there is no room.
    """
    surface, faces = star(rng, rng.uniform(0.6, 1.2))
    rest, tetrahedra = filled(surface, faces)
    refinement = butterfly(faces, len(surface))
    shown = padded(refinement(surface)[None], refinement.faces)[0]
    mesh = Mesh(vertices=shown.astype(np.float32), faces=refinement.faces)
    vertices = place(rng, rest, [*(box(prop) for prop in props), *(bounds(other.soft.vertices) for other in others)])
    shear = float(np.exp(rng.uniform(np.log(3000.0), np.log(15000.0))))
    return SoftThing(
        soft=Jelly(
            vertices=vertices,
            tetrahedra=tetrahedra,
            mass=JELLY_DENSITY * float(volumes(rest, tetrahedra).sum()),
            shear=shear,
            damping=0.02,
        ),
        asset=Asset(id="procedural/jelly", mesh=mesh, licence=assets.OURS),
        skin=lambda motion: on_floor(padded(refinement(motion[:, : len(surface)]), refinement.faces)),
        material=rubber(look, mesh),
        velocity=np.append(-vertices.mean(axis=0)[:2] * rng.uniform(0.0, 1.5), rng.uniform(-1.0, 1.0)),
        facts={"role": "soft", "shear": shear},
    )


def settled(world: SoftWorld, props: list[Body]) -> list[Body]:
    """The props put into a world in which they then lie still."""
    for prop in props:
        world.add_rigid(prop.asset, float(prop.facts["mass"]), prop.world_from_body[0], prop.name)
    return [
        replace(prop, world_from_body=np.tile(pose, (len(prop.world_from_body), 1, 1)))
        for prop, pose in zip(props, world.settle(), strict=True)
    ]


def simulated(
    world: SoftWorld, props: list[Body], things: list[SoftThing], frames: int, frame_rate: int
) -> tuple[tuple[Body, ...], Touching]:
    """The props and the soft things, with their paths, and what the props touch."""
    for thing in things:
        world.add_soft(thing.soft, thing.velocity)
    course = world.run(frames, frame_rate)
    facts = {"friction": FRICTION, "restitution": 0.0}
    moved = [
        replace(prop, world_from_body=path, velocity=velocity, facts=prop.facts | facts)
        for prop, path, velocity in zip(props, course.paths, course.velocities, strict=True)
    ]
    soft = [
        thing.body(motion, f"soft_{number:02d}")
        for number, (thing, motion) in enumerate(zip(things, course.motions, strict=True))
    ]
    return (*moved, *soft), course.touching


def padded(motion: Motion, faces: Faces) -> Motion:
    """A surface moved outwards by the distance at which the simulation keeps others off: what is shown touches them."""
    return motion + JELLY_MARGIN * vertex_normals(motion, faces)


def on_floor(motion: Motion) -> Motion:
    """Vertices lifted to the floor. What lands dives into its margin for a moment; what is shown is flat there."""
    return np.concatenate([motion[..., :2], np.maximum(motion[..., 2:], FLOOR_GAP)], axis=-1)


def place(rng: np.random.Generator, rest: Vertices, taken: list[Box]) -> Vertices:
    """Vertices turned at random and moved to where their bounding box is free."""
    for _ in range(TRIES):
        vertices = Rotation.from_quat(rng.normal(size=4)).apply(rest)
        vertices += rng.uniform((-1.5, -1.5, 0.2), (1.5, 1.5, 1.2)) - [0.0, 0.0, vertices[:, 2].min()]
        low, high = bounds(vertices)
        if all(((high + GAP < other_low) | (low - GAP > other_high)).any() for other_low, other_high in taken):
            return vertices
    raise RuntimeError(f"no room for a soft body in {TRIES} tries")


def bounds(vertices: Vertices) -> Box:
    """Lowest and highest corner."""
    return vertices.min(axis=0), vertices.max(axis=0)


def box(body: Body) -> Box:
    """Bounds of a rigid body at the first frame, in the world."""
    return bounds(transform(body.world_from_body[0], body.asset.mesh.vertices))


def fabric(rng: np.random.Generator) -> Material:
    """Dull, in two tones of a colour or in two colours."""
    base, other = (materials.colour(rng, (0.2, 0.9), (0.3, 0.95)) for _ in range(2))
    return Material(
        pattern=CLOTH_PATTERNS[int(rng.integers(len(CLOTH_PATTERNS)))],
        colours=(base, other),
        size=rng.uniform(0.08, 0.5),
        offset=offset(rng),
        roughness=rng.uniform(0.75, 1.0),
        relief=rng.uniform(0.0, 0.2),
    )


def rubber(rng: np.random.Generator, mesh: Mesh) -> Material:
    """Smooth and coloured."""
    base, other = (materials.colour(rng, (0.3, 0.95), (0.35, 0.95)) for _ in range(2))
    return Material(
        pattern=JELLY_PATTERNS[int(rng.integers(len(JELLY_PATTERNS)))],
        colours=(base, other),
        size=float(np.ptp(mesh.vertices, axis=0).max()) * rng.uniform(0.12, 0.4),
        offset=offset(rng),
        roughness=rng.uniform(0.15, 0.6),
        relief=rng.uniform(0.0, 0.1),
    )


def offset(rng: np.random.Generator) -> tuple[float, float, float]:
    """Where in its pattern a material begins."""
    x, y, z = rng.uniform(-50, 50, size=3).tolist()
    return x, y, z
