"""Smooth paths through a scene: steered like an animal, nose first, banking in its turns."""

import numpy as np
from jaxtyping import Float64

from vdpm.geometry import rigid

STEP_RATE = 240
"""Hz at which a path is integrated."""


def wander(
    rng: np.random.Generator, seconds: Float64[np.ndarray, " T"], speed: float, level: bool
) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_body of something that moves along its +x at constant speed (m/s) and starts at the origin.

    Its course turns steadily and sways; unless `level`, it also climbs and dives gently and leans into its turns.
    """
    start, turn = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
    sway, steepest, phases = rng.uniform(0.0, 0.5), rng.uniform(0.0, 0.35), rng.uniform(0, 2 * np.pi, size=2)
    rates = 2 * np.pi * rng.uniform(0.15, 0.4, size=2)
    steps = np.linspace(0.0, seconds[-1], max(2, int(np.ceil(seconds[-1] * STEP_RATE)) + 1))

    def course(time: Float64[np.ndarray, " N"]) -> tuple[Float64[np.ndarray, " N"], Float64[np.ndarray, " N"]]:
        climb = 0.0 if level else steepest
        return start + turn * time + sway * np.sin(rates[0] * time + phases[0]), climb * np.sin(
            rates[1] * time + phases[1]
        )

    lean = np.zeros(len(seconds))
    if not level:
        lean = -0.4 * (turn + sway * rates[0] * np.cos(rates[0] * seconds + phases[0]))
    forward = turned(*course(steps), np.zeros(len(steps)))[..., 0] * speed
    places = np.concatenate([[np.zeros(3)], np.cumsum((forward[1:] + forward[:-1]) / 2 * steps[1], axis=0)])
    positions = np.stack([np.interp(seconds, steps, places[:, axis]) for axis in range(3)], axis=-1)
    return rigid(turned(*course(seconds), lean), positions)


def turned(
    yaw: Float64[np.ndarray, " N"], climb: Float64[np.ndarray, " N"], roll: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, "N 3 3"]:
    """Rotations that roll about x, then raise x by `climb` towards z, then turn about z by `yaw` (radians)."""
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    about_x = _matrices([[one, zero, zero], [zero, np.cos(roll), -np.sin(roll)], [zero, np.sin(roll), np.cos(roll)]])
    upwards = _matrices(
        [[np.cos(climb), zero, -np.sin(climb)], [zero, one, zero], [np.sin(climb), zero, np.cos(climb)]]
    )
    about_z = _matrices([[np.cos(yaw), -np.sin(yaw), zero], [np.sin(yaw), np.cos(yaw), zero], [zero, zero, one]])
    return about_z @ upwards @ about_x


def _matrices(rows: list[list[Float64[np.ndarray, " N"]]]) -> Float64[np.ndarray, "N 3 3"]:
    return np.moveaxis(np.array(rows), -1, 0)
