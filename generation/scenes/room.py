"""A closed room with furniture, things lying about and a few in the air: the regime of Bonn and TUM RGB-D.

Real walls and ceiling, a door, windows, pictures, boards with books and a rug (`generation.interiors`), lamps as the only
light, 3-7 pieces of furniture, 4-10 small things at rest on them and 3-7 tossed; a camera in a hand, on a head or on a tripod, with 55 to 90 degrees of view.
"""

from pathlib import Path

import numpy as np

from generation import cameras, interiors
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light, lamps
from generation.scene import Scene
from vdpm.clip import Cameras

RESTING, TOSSED = (0.12, 0.5), (0.25, 0.7)
"""Sizes, metres."""
PROGRAMS = (cameras.handheld, cameras.handheld, cameras.orbit, cameras.pan, cameras.spline)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    plan_rng, physics_rng, look_rng, camera_rng, light_rng, wall_rng = rng.spawn(6)
    x, y, height = plan_rng.uniform(2.2, 3.8), plan_rng.uniform(2.2, 3.8), plan_rng.uniform(2.5, 3.2)
    structure = [
        *interiors.shell(look_rng, (x, y), height, frames),
        *interiors.furnished(plan_rng, look_rng, (x, y), frames),
        *interiors.decorated(wall_rng, (x, y), frames),
    ]
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=max(x, y) + 0.1)
    for body in structure:
        crowd.simulation.add_static(body.asset, body.world_from_body[0], body.name)
    region = ((-x + 0.1, -y + 0.1, 0.0), (x - 0.1, y - 0.1, height - 0.1))
    crowd.rest(physics_rng, int(physics_rng.integers(4, 11)), region, RESTING)
    middle = ((-0.7 * x, -0.7 * y, 0.4), (0.7 * x, 0.7 * y, height - 0.1))
    number = int(physics_rng.integers(3, 8))
    crowd.toss(physics_rng, number, middle, TOSSED, lambda _: physics_rng.normal(size=3) * 1.5, spin=6.0)
    bodies = (*crowd.bodies(look_rng), *structure)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(55, 90), shift=0.03)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
    stage = cameras.Stage(inner=0.8, outer=float(np.hypot(x, y)), target=1.3, lowest=0.9, longest=1.5)
    times = np.arange(frames) / FRAME_RATE

    def inside() -> Cameras:
        while True:
            shot = program(camera_rng, K, times, stage)
            reach = np.abs(shot.world_from_camera[:, :3, 3]).max(axis=0)
            if (reach < (x - 0.3, y - 0.3, min(height - 0.3, 2.1))).all():
                return shot

    light = draw_light(light_rng, lamps(light_rng, (x, y), height))
    return Scene(
        family="room",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, inside, clearance=0.2),
        light=light,
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=crowd.touching,
    )
