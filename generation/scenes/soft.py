"""Soft things: cloth falls over what lies about, and jellies drop among it. PyBullet's springs and finite elements.

Six in ten scenes have a cloth of 1.6 to 2.8 m, four have one or two jellies (tetrahedra, rubbery) of 0.6 to
1.2 m. Rigid things are pushed by what falls on them. A cloth is rendered as a closed sheet 14 mm thick about the surface
that is simulated, a jelly as a smooth surface through its outer vertices; the strain of both is in the body's facts.
PyBullet tells no contacts of soft bodies, so the records hold those among rigid things alone. What is shown of a jelly
reaches as far as the simulation keeps others off, and is flat on the floor.
"""

from contextlib import closing
from pathlib import Path

import numpy as np

from generation import cameras
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Scene
from generation.softbody import SoftWorld
from generation.softthings import cloth, jelly, settled, simulated

PROP_REGION = ((-1.6, -1.6, 0.0), (1.6, 1.6, 2.5))
PROP_SIZES = (0.5, 1.3)
MIXTURES, WEIGHTS = ((1, 0), (0, 1), (0, 2)), (0.6, 0.2, 0.2)
"""How many cloths and jellies a scene has, and how often."""
PROGRAMS = (cameras.fixed, cameras.linear, cameras.dolly, cameras.orbit, cameras.spline, cameras.handheld, cameras.zoom)
STAGE = cameras.Stage(inner=2.2, outer=4.5, target=0.5, longest=3.0)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    prop_rng, soft_rng, look_rng, camera_rng, light_rng = rng.spawn(5)
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=40.0)
    crowd.rest(prop_rng, int(prop_rng.integers(3, 7)), PROP_REGION, PROP_SIZES)
    floor, *props = crowd.bodies(look_rng)
    with closing(SoftWorld(scratch)) as world:
        props = settled(world, props)
        cloths, jellies = MIXTURES[int(soft_rng.choice(len(MIXTURES), p=WEIGHTS))]
        things = [cloth(soft_rng, look_rng, props) for _ in range(cloths)]
        for _ in range(jellies):
            things.append(jelly(soft_rng, look_rng, props, things))
        moved, touching = simulated(world, props, things, frames, FRAME_RATE)
    bodies = (floor, *moved)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(40, 65), shift=0.03)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
    times = np.arange(frames) / FRAME_RATE
    star = cameras.spot(camera_rng, bodies, ("cloth", "soft"))
    return Scene(
        family="soft",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, lambda: cameras.about(star, program(camera_rng, K, times, STAGE))),
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=touching,
    )
