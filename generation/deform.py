"""Smooth deformations of a body that lies along +x, head first: (V, 3) vertices and a phase -> (V, 3) vertices.

Each is periodic in the phase (radians) and the identity at zero amplitude, and keeps something that can be tested: a
bend the length of the centre line, a twist the cross-sections, a squash the volume.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

Points = Float64[np.ndarray, "V 3"]
Deformation = Callable[[Points, float], Points]
Heading = Callable[[Float64[np.ndarray, " N"]], Float64[np.ndarray, " N"]]
Plane = tuple[int, int]
"""The axis that bends and the axis that it bends towards; 0, 1, 2 = x, y, z."""
SIDEWAYS, UPWARDS, WINGS = (0, 1), (0, 2), (1, 2)
SAMPLES = 513
"""Points at which a centre line is integrated: 0.1 mm fine on a body of 2 m."""


@dataclass(frozen=True, kw_only=True)
class Gait:
    """Deformations done one after the other, at one rhythm."""

    steps: tuple[Deformation, ...]
    hertz: float
    phase: float
    """At time 0, radians."""


def shapes(
    vertices: Float32[np.ndarray, "V 3"], gait: Gait, seconds: Float64[np.ndarray, " T"]
) -> Float32[np.ndarray, "T V 3"]:
    """The vertices of a body in its own frame at some times."""
    return np.stack([_shape(vertices, gait, 2 * np.pi * gait.hertz * time + gait.phase) for time in seconds])


def _shape(vertices: Float32[np.ndarray, "V 3"], gait: Gait, phase: float) -> Float32[np.ndarray, "V 3"]:
    shape = vertices.astype(np.float64)
    for step in gait.steps:
        shape = step(shape, phase)
    return shape.astype(np.float32)


def follow(vertices: Points, heading: Heading, plane: Plane) -> Points:
    """Bend an axis into the curve that has the angle `heading(s)` to it at arc length s, in a plane.

    Cross-sections stay flat, rigid and perpendicular to the curve, whose length is that of the axis. The middle of the
    vertices stays where it was, as of something that swims and is held by nothing.
    """
    along, side = vertices[:, plane[0]], vertices[:, plane[1]]
    s = np.linspace(along.min(), along.max(), SAMPLES)
    angle, here = heading(s), heading(along)
    moved = vertices.copy()
    moved[:, plane[0]] = np.interp(along, s, _integral(np.cos(angle), s)) - side * np.sin(here)
    moved[:, plane[1]] = np.interp(along, s, _integral(np.sin(angle), s)) + side * np.cos(here)
    return moved - (moved - vertices).mean(axis=0)


def _integral(values: Float64[np.ndarray, " N"], s: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(s))])


def bend(vertices: Points, phase: float, *, radians: float, plane: Plane = SIDEWAYS) -> Points:
    """Into an arc and back: the two ends point up to `radians` apart."""
    curvature = radians * np.sin(phase) / np.ptp(vertices[:, plane[0]])
    return follow(vertices, lambda s: curvature * s, plane)


def undulate(
    vertices: Points, phase: float, *, radians: float, waves: float, stiff: float, plane: Plane = SIDEWAYS
) -> Points:
    """A wave that runs from head to tail, `waves` of them on the body, the centre line up to `radians` off its axis.

    `stiff` from 0 (an eel: all of it bends) to 1 (a tuna: the wave grows from nothing at the head).
    """
    length, head = np.ptp(vertices[:, plane[0]]), vertices[:, plane[0]].max()

    def heading(s: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
        envelope = 1.0 - stiff * (1.0 - (head - s) / length)
        return radians * envelope * np.sin(2 * np.pi * waves * s / length + phase)

    return follow(vertices, heading, plane)


def flap(vertices: Points, phase: float, *, radians: float, lag: float) -> Points:
    """Wings along y beat: both tips turn up to `radians`, `lag` of the phase later than the body."""
    half = np.abs(vertices[:, 1]).max()
    return follow(vertices, lambda s: radians * s / half * np.sin(phase - lag * np.abs(s) / half), WINGS)


def twist(vertices: Points, phase: float, *, radians: float) -> Points:
    """Cross-sections turn about x, those at the two ends up to `radians` apart."""
    x, y, z = vertices.T
    angle = radians * np.sin(phase) * x / np.ptp(x)
    return np.stack([x, np.cos(angle) * y - np.sin(angle) * z, np.sin(angle) * y + np.cos(angle) * z], axis=-1)


def breathe(vertices: Points, phase: float, *, amount: float) -> Points:
    """Every length times 1 + amount sin(phase): the volume is multiplied by the cube of that."""
    return vertices * (1.0 + amount * np.sin(phase))


def swell(vertices: Points, phase: float, *, amount: float, waves: float) -> Points:
    """Thicker and thinner rings that run from head to tail, as an earthworm's."""
    factor = 1.0 + amount * np.sin(2 * np.pi * waves * vertices[:, :1] / np.ptp(vertices[:, 0]) + phase)
    return vertices * np.concatenate([np.ones_like(factor), factor, factor], axis=-1)


def squash(vertices: Points, phase: float, *, amount: float) -> Points:
    """Taller and thinner, then flatter and wider; the volume stays."""
    stretch = np.exp(amount * np.sin(phase))
    return vertices * np.array([stretch**-0.5, stretch**-0.5, stretch])
