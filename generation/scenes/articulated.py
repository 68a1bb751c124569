"""Robots at work: 1-4 arms, quadrupeds and vehicles of pybullet_data move their joints under physics, among a few things.

Things come to rest first. Motors follow random smooth targets within the joints' limits from a second before the first
frame. Arms are bolted to the floor; the others stand or roll on it, and all of them push what is in their way. Every
link is a body.
"""

from pathlib import Path

import numpy as np

from generation import cameras
from generation.crowd import FRAME_RATE, ground
from generation.lights import draw_light
from generation.scene import Scene
from generation.workshop import Workshop

ROBOTS = (1, 4)
THINGS = (3, 8)
THING_SIZES = (0.15, 0.7)
PROGRAMS = (cameras.linear, cameras.orbit, cameras.spline, cameras.handheld, cameras.pan, cameras.dolly, cameras.fixed)
STAGE = cameras.Stage(inner=2.0, outer=4.0, target=0.5, lowest=0.4, longest=2.5)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; the scratch folder stays empty."""
    physics_rng, look_rng, camera_rng, light_rng = rng.spawn(4)
    workshop = Workshop()
    for _ in range(physics_rng.integers(*ROBOTS, endpoint=True)):
        workshop.add_robot(physics_rng)
    for _ in range(physics_rng.integers(*THINGS, endpoint=True)):
        workshop.add_thing(physics_rng, physics_rng.uniform(*THING_SIZES))
    bodies = (ground(look_rng, frames, half_width=30.0), *workshop.bodies(look_rng, frames, FRAME_RATE))
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(38, 58), shift=0.03)
    program, times = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))], np.arange(frames) / FRAME_RATE
    star = cameras.spot(camera_rng, bodies, ("robot",))
    return Scene(
        family="articulated",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, lambda: cameras.about(star, program(camera_rng, K, times, STAGE))),
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=workshop.touching,
    )
