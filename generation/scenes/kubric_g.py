"""Many moving things under a camera that moves in complex ways: an open stand-in for the unreleased Kubric-G.

DPM (Sucar et al. 2025) says of its set: complex camera trajectories, dynamic objects, random intrinsics; the recipe was
never published. This is ours: 2-6 things lie about; 8-16 start anywhere up to 5 m high with 1 to 7 m/s, on the whole
towards the middle, and up to 8 rad/s of spin; sizes of 0.5 to 2.5 m. The camera is at 5 to 9.5 m, with 25 to 90 degrees of
view and the principal point up to 5 % off: in 90 % of the clips one of orbit, spline, handheld, dolly, linear and pan, each
15 %; in 4 % on a tripod (fixed), in 4 % it zooms, in 2 % it jumps.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from generation import cameras
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light
from generation.scene import Scene

SIZES = (0.5, 2.5)
REST_REGION = ((-6.0, -6.0, 0.0), (6.0, 6.0, 8.0))
TOSS_REGION = ((-6.0, -6.0, 0.5), (6.0, 6.0, 5.0))
PROGRAMS = (
    cameras.orbit, cameras.spline, cameras.handheld, cameras.dolly, cameras.linear, cameras.pan,
    cameras.fixed, cameras.zoom, cameras.jumps,
)  # fmt: skip
WEIGHTS = (0.15, 0.15, 0.15, 0.15, 0.15, 0.15, 0.04, 0.04, 0.02)
STAGE = cameras.Stage(inner=5.0, outer=9.5, target=2.0, longest=5.0)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    physics_rng, look_rng, camera_rng, light_rng = rng.spawn(4)
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=40.0)
    crowd.rest(physics_rng, int(physics_rng.integers(2, 7)), REST_REGION, SIZES)
    crowd.toss(
        physics_rng,
        int(physics_rng.integers(8, 17)),
        TOSS_REGION,
        SIZES,
        lambda at: _inwards(physics_rng, at),
        spin=8.0,
    )
    bodies = crowd.bodies(look_rng)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(25, 90), shift=0.05)
    program = PROGRAMS[int(camera_rng.choice(len(PROGRAMS), p=WEIGHTS))]
    times = np.arange(frames) / FRAME_RATE
    return Scene(
        family="kubric_g",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, lambda: program(camera_rng, K, times, STAGE)),
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=crowd.touching,
    )


def _inwards(rng: np.random.Generator, position: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, " 3"]:
    """A velocity towards some point near the middle, and a bit upwards."""
    aim = rng.uniform((-3.0, -3.0, 0.0), (3.0, 3.0, 2.0)) - position
    speed = rng.uniform(1.0, 7.0)
    return aim / np.linalg.norm(aim) * speed + [0.0, 0.0, rng.uniform(0.0, 3.0)]
