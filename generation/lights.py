"""Random daylight: one of the environment maps, turned, and a sun of its own so that shadows have edges."""

import numpy as np

from generation.assets import hdris
from generation.scene import Light


def draw_light(rng: np.random.Generator) -> Light:
    """An environment map with a random turn and brightness, and a sun 25 to 75 degrees high in three scenes of four."""
    elevation, azimuth = np.radians(rng.uniform(25, 75)), rng.uniform(0, 2 * np.pi)
    x, y, z = np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)
    return Light(
        hdri=hdris()[int(rng.integers(len(hdris())))],
        turn_radians=float(rng.uniform(0, 2 * np.pi)),
        irradiance=float(rng.uniform(2.4, 4.4)),
        sun_strength=float(rng.uniform(2.0, 5.0)) if rng.uniform() < 3 / 4 else 0.0,
        sun_direction=(float(x), float(y), float(z)),
    )
