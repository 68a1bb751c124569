"""Nothing moves but the camera: supervision for static geometry.

12-24 things at rest on the floor, seen by any camera program that travels, 25 to 90 degrees of view.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from generation import cameras
from generation.contacts import held
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Scene

SIZES = (0.5, 3.0)
REGION = ((-6.0, -6.0, 0.0), (6.0, 6.0, 10.0))
PROGRAMS = (cameras.orbit, cameras.spline, cameras.handheld, cameras.linear, cameras.zoom)
STAGE = cameras.Stage(inner=5.0, outer=12.0, target=3.0, longest=6.0)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    physics_rng, look_rng, camera_rng, light_rng = rng.spawn(4)
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=40.0)
    crowd.rest(physics_rng, int(physics_rng.integers(12, 25)), REGION, SIZES)
    bodies = tuple(
        replace(
            body,
            world_from_body=np.tile(body.world_from_body[:1], (frames, 1, 1)),
            velocity=None if body.velocity is None else 0.0 * body.velocity,
        )
        for body in crowd.bodies(look_rng)
    )
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(25, 90), shift=0.05)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
    times = np.arange(frames) / FRAME_RATE
    return Scene(
        family="still",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, lambda: program(camera_rng, K, times, STAGE)),
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        still=True,
        touching=held(crowd.touching, frames),
    )
