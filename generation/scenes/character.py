"""People in motion: 2-4 of 1.1 to 2.1 m, each with a clip of motion capture, a build, clothes and a face, among some things.

The clips are recordings, moved to where they do not meet and lifted so that nobody sinks into the floor; no physics acts
on people. A body is one smooth closed surface, skinned; it comes as garments, which are bodies that share their seams. Eyes,
brows, lips, ears, hair, beards and hats (`generation.heads`) are small bodies that go with the head and do not bend.
"""

from pathlib import Path

import numpy as np

from generation import cameras
from generation.actors import person
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Scene

PEOPLE = (2, 4)
THINGS = (2, 5)
THING_REGION = ((-2.5, -2.5, 0.0), (2.5, 2.5, 3.0))
THING_SIZES = (0.25, 0.9)
PROGRAMS = (cameras.linear, cameras.orbit, cameras.spline, cameras.handheld, cameras.pan, cameras.dolly, cameras.fixed)
STAGE = cameras.Stage(inner=2.2, outer=4.2, target=0.6, lowest=0.2, longest=2.5)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    physics_rng, people_rng, look_rng, camera_rng, light_rng = rng.spawn(5)
    times = np.arange(frames) / FRAME_RATE
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=30.0)
    crowd.rest(physics_rng, int(physics_rng.integers(*THINGS, endpoint=True)), THING_REGION, THING_SIZES)
    bodies = crowd.bodies(look_rng)
    for number in range(people_rng.integers(*PEOPLE, endpoint=True)):
        bodies += person(people_rng, look_rng, f"person_{number}", times, bodies)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(38, 55), shift=0.03)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
    star = cameras.spot(camera_rng, bodies, ("character",))
    return Scene(
        family="character",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, lambda: cameras.about(star, program(camera_rng, K, times, STAGE))),
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=crowd.touching,
    )
