"""Driving along a street: the regime of KITTI and Waymo, with distances to 80 m and more.

A straight road between houses, trees, lamp posts and parked cars; cars drive in both lanes at 4 to 14 m/s. The camera is
on a car at 4 to 12 m/s, 1.3 to 1.9 m high, swaying a little, with 50 to 80 degrees of view.
"""

from pathlib import Path

import numpy as np

from generation import cameras, town
from generation.crowd import FRAME_RATE, ground
from generation.lights import draw_light
from generation.scene import Scene


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; nothing is simulated, so `scratch` is not used."""
    plan_rng, look_rng, traffic_rng, camera_rng, light_rng = rng.spawn(5)
    times = np.arange(frames) / FRAME_RATE
    bodies = (
        ground(look_rng, frames, half_width=130.0),
        *town.road(frames),
        *town.sides(plan_rng, look_rng, frames),
        *town.traffic(traffic_rng, look_rng, times),
    )
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(50, 80), shift=0.03)
    return Scene(
        family="street",
        bodies=bodies,
        cameras=cameras.drive(camera_rng, K, times, lane=-town.ROAD_HALF / 2),
        light=draw_light(light_rng, outdoors=True),
        resolution=resolution,
        frame_rate=FRAME_RATE,
    )
