"""Creatures: 3 to 6 bodies swim, crawl, flap or wobble among 3 to 6 things at rest. Smooth motion, no physics.

Bodies are procedural (fish, tadpoles, rays, worms) or everyday things come alive; each deforms periodically in its own
frame (`generation.deform`) while that frame wanders, nose first. Bounding spheres never meet.
"""

from pathlib import Path

import numpy as np

from generation import cameras
from generation.creatures import creature
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Scene

PROP_REGION = ((-3.0, -3.0, 0.0), (3.0, 3.0, 3.0))
PROP_SIZES = (0.5, 1.4)
PROGRAMS = (cameras.fixed, cameras.linear, cameras.dolly, cameras.orbit, cameras.spline, cameras.handheld, cameras.zoom)
STAGE = cameras.Stage(inner=1.8, outer=4.2, target=0.6, longest=3.0)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    prop_rng, creature_rng, look_rng, camera_rng, light_rng = rng.spawn(5)
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=40.0)
    crowd.rest(prop_rng, int(prop_rng.integers(3, 7)), PROP_REGION, PROP_SIZES)
    bodies = crowd.bodies(look_rng)
    times = np.arange(frames) / FRAME_RATE
    for number in range(creature_rng.integers(3, 7)):
        bodies += (creature(creature_rng, look_rng, times, f"creature_{number:02d}", bodies[1:]),)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(40, 65), shift=0.03)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
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
