"""Creatures: bodies that lie along +x, how each kind moves, and where it wanders."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import trimesh
from jaxtyping import Float32, Float64

from generation import assets, deform, materials
from generation.deform import SIDEWAYS, UPWARDS, Gait
from generation.scene import Asset, Body, Mesh
from generation.shapes import centred, scaled
from generation.subdivide import cut
from generation.wander import wander
from vdpm.geometry import transform

Profile = Float64[np.ndarray, " R"]
RINGS, SECTIONS = 40, 20
LOWEST, HIGHEST, HALF_WIDTH = 0.15, 1.6, 2.2
"""Heights of the lowest point of what does not crawl, and how far from the middle ways have theirs, metres."""
TRIES = 200
FINEST, MOST_FACES = 1 / 12, 2500
"""An asset is cut up until its edges are this share of its extent, or it has half as many triangles."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A body and how it moves."""

    asset: Asset
    gait: Gait
    speed: float
    """m/s."""
    crawls: bool
    """On the floor, or through the air as if it were water."""


def tube(width: Profile, top: Profile, bottom: Profile, fin: Profile) -> trimesh.Trimesh:
    """A closed body 1 m long, tail at x = -0.5, nose at 0.5: half its width, heights above and below, height of a fin.

    The four are given at rings spaced evenly from tail to nose; a ring is a pair of half ellipses.
    """
    x, turn = np.linspace(-0.5, 0.5, len(width)), np.linspace(0, 2 * np.pi, SECTIONS, endpoint=False)
    sine = np.sin(turn)
    z = np.where(sine > 0, top[:, None], bottom[:, None]) * sine + fin[:, None] * np.clip(sine, 0, 1) ** 6
    rings = np.stack([np.broadcast_to(x[:, None], z.shape), width[:, None] * np.cos(turn), z], axis=-1)
    number = np.arange(z.size).reshape(z.shape)
    a, b = number[:-1], number[1:]
    c, d = np.roll(b, -1, axis=1), np.roll(a, -1, axis=1)
    tail, nose = np.full(SECTIONS, z.size), np.full(SECTIONS, z.size + 1)
    first, last = number[0], number[-1]
    corners = [(a, c, b), (a, d, c), (tail, np.roll(first, -1), first), (nose, last, np.roll(last, -1))]
    faces = np.concatenate([np.stack(three, axis=-1).reshape(-1, 3) for three in corners])
    ends = np.stack([rings[0].mean(axis=0), rings[-1].mean(axis=0)])
    return trimesh.Trimesh(np.concatenate([rings.reshape(-1, 3), ends]), faces, process=False)


def _bump(s: Profile, centre: float, width: float) -> Profile:
    return np.exp(-(((s - centre) / width) ** 2))


def _round(s: Profile, blunt: float) -> Profile:
    """1 along the body and 0 at its two ends; the lower `blunt`, the blunter they are."""
    return np.clip(4 * s * (1 - s), 0, 1) ** blunt


def fish(rng: np.random.Generator) -> trimesh.Trimesh:
    """Flat from side to side, with a tail fin and one on the back."""
    s = np.linspace(0.0, 1.0, RINGS)
    body = np.clip(np.sin(np.pi * np.clip((s - 0.12) / 0.88, 0, 1) ** 0.8), 0, 1) ** 0.75
    tail = np.clip(1 - s / 0.2, 0, 1) ** 0.8 * rng.uniform(0.14, 0.24) * (s > 0)
    height, slim = rng.uniform(0.14, 0.24), rng.uniform(0.4, 0.75)
    stalk = 0.02 * _round(s, 0.3)
    back = rng.uniform(0.04, 0.12) * _bump(s, rng.uniform(0.45, 0.6), 0.13) * (body > 0)
    return tube(height * slim * body + stalk / 2, height * body + stalk + tail, height * body + stalk + tail, back)


def worm(rng: np.random.Generator) -> trimesh.Trimesh:
    """Long, round and ringed."""
    s = np.linspace(0.0, 1.0, RINGS)
    radius = rng.uniform(0.05, 0.09) * _round(s, 0.25) * (1 + 0.08 * np.sin(2 * np.pi * 10 * s))
    return tube(radius, radius, radius, np.zeros(RINGS))


def tadpole(rng: np.random.Generator) -> trimesh.Trimesh:
    """A big head and a thin, tall tail."""
    s = np.linspace(0.0, 1.0, RINGS)
    head = np.clip(1 - ((s - 0.76) / 0.24) ** 2, 0, 1) ** 0.5 * rng.uniform(0.14, 0.2)
    tail = _round(s, 0.5)
    height = np.maximum(head, rng.uniform(0.06, 0.11) * tail * np.clip(1.6 * (1 - s), 0, 1))
    return tube(np.maximum(head * 1.1, 0.03 * tail), height, height, np.zeros(RINGS))


def ray(rng: np.random.Generator) -> trimesh.Trimesh:
    """A manta: flat wings and a thin tail."""
    s = np.linspace(0.0, 1.0, RINGS)
    wings = rng.uniform(0.4, 0.6) * _bump(s, rng.uniform(0.6, 0.7), 0.17) * _round(s, 0.4)
    body = _bump(s, 0.7, 0.2) * _round(s, 0.5)
    tail = 0.014 * _round(s, 0.4)
    return tube(wings + 0.08 * body + tail, 0.07 * body + tail, 0.05 * body + tail, np.zeros(RINGS))


def _swims(rng: np.random.Generator) -> tuple[deform.Deformation, ...]:
    angle, waves = rng.uniform(0.35, 0.7), rng.uniform(0.7, 1.1)
    return (partial(deform.undulate, radians=angle, waves=waves, stiff=rng.uniform(0.7, 0.95)),)


def _wriggles(rng: np.random.Generator) -> tuple[deform.Deformation, ...]:
    """As a snake, or as a caterpillar that arches its back."""
    swell = partial(deform.swell, amount=rng.uniform(0.05, 0.2), waves=rng.uniform(1.5, 3.0))
    plane, angle = (SIDEWAYS, rng.uniform(0.5, 1.0)) if rng.uniform() < 0.6 else (UPWARDS, rng.uniform(0.3, 0.6))
    return swell, partial(deform.undulate, radians=angle, waves=rng.uniform(1.2, 2.0), stiff=0.1, plane=plane)


def _flaps(rng: np.random.Generator) -> tuple[deform.Deformation, ...]:
    flap = partial(deform.flap, radians=rng.uniform(0.5, 1.0), lag=rng.uniform(0.5, 1.5))
    return partial(deform.undulate, radians=0.15, waves=0.6, stiff=0.5, plane=UPWARDS), flap


def _wobbles(rng: np.random.Generator) -> tuple[deform.Deformation, ...]:
    """What a thing does that comes alive: it bends, twists and breathes."""
    chosen = rng.permutation(3)[: rng.integers(2, 4)]
    every = (
        partial(deform.squash, amount=rng.uniform(0.1, 0.25)),
        partial(deform.twist, radians=rng.uniform(0.5, 1.3)),
        partial(deform.bend, radians=rng.uniform(0.5, 1.1), plane=UPWARDS if rng.uniform() < 0.3 else SIDEWAYS),
    )
    return (partial(deform.breathe, amount=rng.uniform(0.0, 0.08)), *(every[number] for number in sorted(chosen)))


Steps = Callable[[np.random.Generator], tuple[deform.Deformation, ...]]
BODIES: dict[str, tuple[Callable[[np.random.Generator], trimesh.Trimesh], Steps, tuple[float, float], bool]] = {
    "fish": (fish, _swims, (1.0, 2.2), False),
    "tadpole": (tadpole, _swims, (1.2, 2.4), False),
    "ray": (ray, _flaps, (0.5, 1.0), False),
    "worm": (worm, _wriggles, (0.6, 1.2), True),
}
"""Name -> body, movement, range of its rhythm (Hz), whether it crawls."""
ALIVE = 0.35
"""How often a creature is an everyday thing that comes alive."""


def draw(rng: np.random.Generator) -> Kind:
    """A random creature of 0.7 to 1.8 m."""
    if rng.uniform() < ALIVE:
        asset, steps, (low, high), crawls = living_thing(rng), _wobbles(rng), (0.5, 1.0), rng.uniform() < 0.5
    else:
        name = str(rng.choice(list(BODIES)))
        body, move, (low, high), crawls = BODIES[name]
        mesh, steps = scaled(centred(body(rng)), rng.uniform(0.9, 1.8)), move(rng)
        asset = Asset(id=f"procedural/{name}", mesh=mesh, licence=assets.OURS)
    gait = Gait(steps=steps, hertz=rng.uniform(low, high), phase=rng.uniform(0, 2 * np.pi))
    return Kind(
        asset=asset, gait=gait, speed=rng.uniform(0.15, 0.5) if crawls else rng.uniform(0.3, 1.2), crawls=crawls
    )


def living_thing(rng: np.random.Generator) -> Asset:
    """An asset of 0.7 to 1.3 m, in triangles fine enough to bend."""
    asset = assets.draw(rng, size=rng.uniform(0.7, 1.3))
    mesh, limit = asset.mesh, FINEST * float(np.ptp(asset.mesh.vertices, axis=0).max())
    while _longest_edge(mesh) > limit and 2 * len(mesh.faces) < MOST_FACES:
        mesh = cut(mesh)
    return Asset(id=asset.id, mesh=mesh, licence=asset.licence, texture=asset.texture)


def _longest_edge(mesh: Mesh) -> float:
    corners = mesh.vertices[mesh.faces]
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max())


def creature(
    rng: np.random.Generator,
    look: np.random.Generator,
    seconds: Float64[np.ndarray, " T"],
    name: str,
    others: tuple[Body, ...],
) -> Body:
    """A creature whose way is clear of the others."""
    kind = draw(rng)
    shapes = deform.shapes(kind.asset.mesh.vertices, kind.gait, seconds)
    return Body(
        name=name,
        asset=kind.asset,
        material=materials.for_object(look, kind.asset),
        world_from_body=way(rng, kind, shapes, seconds, others),
        shapes=shapes,
        facts={"role": "creature", "crawls": kind.crawls, "hertz": kind.gait.hertz, "speed": kind.speed},
    )


def way(
    rng: np.random.Generator,
    kind: Kind,
    shapes: Float32[np.ndarray, "T V 3"],
    seconds: Float64[np.ndarray, " T"],
    others: tuple[Body, ...],
) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_body of a path on or above the floor on which bounding spheres do not meet.

    Raises:
        RuntimeError: there is no room.
    """
    for _ in range(TRIES):
        path = wander(rng, seconds, kind.speed, level=kind.crawls)
        path[:, :2, 3] += rng.uniform(-HALF_WIDTH, HALF_WIDTH, size=2) - path[:, :2, 3].mean(axis=0)
        lowest = transform(path[:, None], shapes.astype(np.float64))[..., 2].min(axis=1)
        path[:, 2, 3] -= lowest if kind.crawls else lowest.min() - rng.uniform(LOWEST, HIGHEST)
        if all(apart(path, reach(shapes), other) for other in others):
            return path
    raise RuntimeError(f"no way for a creature in {TRIES} tries keeps clear of the others")


def reach(shapes: Float32[np.ndarray, "*T V 3"]) -> float:
    """Radius about the body's origin that holds it at all times, metres."""
    return float(np.linalg.norm(shapes, axis=-1).max())


def apart(path: Float64[np.ndarray, "T 4 4"], radius: float, other: Body) -> bool:
    """Whether a sphere that moves along a path never meets the bounding sphere of a body."""
    distance = np.linalg.norm(path[:, :3, 3] - other.world_from_body[:, :3, 3], axis=-1)
    return bool((distance > radius + reach(other.asset.mesh.vertices if other.shapes is None else other.shapes)).all())
