"""Creatures: 3 to 6 bodies swim, crawl, flap or wobble among 3 to 6 things at rest. Smooth motion, no physics.

Bodies are procedural (fish, tadpoles, rays, worms) or everyday things come alive; each deforms periodically in its own
frame (`generation.deform`) while that frame wanders, nose first. Bounding spheres never meet.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from generation import cameras, creatures, deform, materials
from generation.creatures import Kind
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Body, Scene
from generation.wander import wander
from vdpm.geometry import transform

PROP_REGION = ((-3.0, -3.0, 0.0), (3.0, 3.0, 3.0))
PROP_SIZES = (0.5, 1.4)
LOWEST, HIGHEST, HALF_WIDTH = 0.15, 1.6, 2.2
"""Heights of the lowest point of what does not crawl, and how far from the middle ways have theirs, metres."""
TRIES = 200
PROGRAMS = (cameras.fixed, cameras.linear, cameras.dolly, cameras.orbit, cameras.spline, cameras.handheld, cameras.zoom)
STAGE = cameras.Stage(inner=1.8, outer=4.2, target=0.6, longest=3.0)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    prop_rng, creature_rng, look_rng, camera_rng, light_rng = rng.spawn(5)
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=40.0)
    crowd.rest(prop_rng, int(prop_rng.integers(3, 7)), PROP_REGION, PROP_SIZES)
    bodies = crowd.bodies(look_rng)
    for number in range(creature_rng.integers(3, 7)):
        bodies += (creature(creature_rng, look_rng, frames, f"creature_{number:02d}", bodies[1:]),)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(40, 65), shift=0.03)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
    times = np.arange(frames) / FRAME_RATE
    star = cameras.spot(camera_rng, bodies, ("creature",))
    return Scene(
        family="creature",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, lambda: cameras.about(star, program(camera_rng, K, times, STAGE))),
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=crowd.touching,
    )


def creature(
    rng: np.random.Generator, look: np.random.Generator, frames: int, name: str, others: tuple[Body, ...]
) -> Body:
    """A creature whose way is clear of the others."""
    kind, seconds = creatures.draw(rng), np.arange(frames) / FRAME_RATE
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
