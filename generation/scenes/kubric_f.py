"""MOVi-F's law: 10-20 things lie about, 1-3 are tossed among them, camera and gaze move along straight lines.

After the `linear_movement_linear_lookat` worker of Kubric's MOVi (Greff et al. 2022): sizes of 0.75 to 3 m, spawn regions
of +-7 m and +-5 m, 12 frames a second, a 35 mm lens on a 32 mm sensor. Unlike MOVi-F, the ground is a real floor and not
an HDRI dome, gravity is 9.81 m/s2, and mass follows from volume.
"""

from pathlib import Path

import numpy as np

from generation.cameras import clear_of, intrinsics, linear_with_linear_look_at
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Scene

SIZES = (0.75, 3.0)
REST_REGION = ((-7.0, -7.0, 0.0), (7.0, 7.0, 10.0))
TOSS_REGION = ((-5.0, -5.0, 1.0), (5.0, 5.0, 5.0))
TOSS_SPEED = ((-4.0, -4.0, 0.0), (4.0, 4.0, 0.0))


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    physics_rng, look_rng, camera_rng, light_rng = rng.spawn(4)
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=40.0)
    crowd.rest(physics_rng, int(physics_rng.integers(10, 21)), REST_REGION, SIZES)
    crowd.toss(
        physics_rng,
        int(physics_rng.integers(1, 4)),
        TOSS_REGION,
        SIZES,
        velocity=lambda position: physics_rng.uniform(*TOSS_SPEED) - position * [1.0, 1.0, 0.0],
    )
    bodies = crowd.bodies(look_rng)
    K = intrinsics(*resolution, focal_mm=35.0, sensor_mm=32.0)
    cameras = clear_of(
        bodies,
        lambda: linear_with_linear_look_at(
            camera_rng, K, frames, eye_shell=(7.0, 12.0), target_shell=(0.0, 4.0), longest=4.0
        ),
    )
    return Scene(
        family="kubric_f",
        bodies=bodies,
        cameras=cameras,
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=crowd.touching,
    )
