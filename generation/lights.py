"""Random light: one of the environment maps, turned, with a sun of its own so that shadows have edges; lamps in rooms."""

import numpy as np

from generation.assets import environments
from generation.scene import Lamp, Light

INDOORS = ("courtyard", "interior", "studio")
"""Environment maps that no street lies under; the courtyard has a roof."""


def draw_light(rng: np.random.Generator, lamps: tuple[Lamp, ...] = (), outdoors: bool = False) -> Light:
    """An environment map with a random turn and brightness, and a sun 25 to 75 degrees high in three scenes of four."""
    maps = [row for row in environments() if not (outdoors and row[0].stem in INDOORS)] or environments()
    elevation, azimuth = np.radians(rng.uniform(25, 75)), rng.uniform(0, 2 * np.pi)
    x, y, z = np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)
    hdri, licence = maps[int(rng.integers(len(maps)))]
    return Light(
        hdri=hdri,
        licence=licence,
        turn_radians=float(rng.uniform(0, 2 * np.pi)),
        irradiance=float(rng.uniform(2.4, 4.4)),
        sun_strength=float(rng.uniform(2.0, 5.0)) if rng.uniform() < 3 / 4 else 0.0,
        sun_direction=(float(x), float(y), float(z)),
        lamps=lamps,
    )


def lamps(rng: np.random.Generator, half: tuple[float, float], height: float) -> tuple[Lamp, ...]:
    """One to three panels under a ceiling, which together give a room of these half sides 6 to 12 W per square metre."""
    number = int(rng.integers(1, 4))
    watts = 4 * half[0] * half[1] * rng.uniform(6.0, 12.0) / number
    return tuple(
        Lamp(
            position=(float(rng.uniform(-0.6, 0.6) * half[0]), float(rng.uniform(-0.6, 0.6) * half[1]), height - 0.03),
            size=float(rng.uniform(0.4, 1.0)),
            watts=float(watts),
        )
        for _ in range(number)
    )
