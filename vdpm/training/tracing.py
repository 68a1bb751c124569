"""Loops over the pixels of a window: where rays meet their triangles, and where those points are at the target time.

Numba compiles them at the first call, which takes some seconds, and keeps the machine code beside this file. One pass in
double precision leaves nothing to be read twice; NumPy took four times as long for the same.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

SAME_DEPTH = 0.01
"""A point is seen when it is no farther than the surface of its body around it, to this share of its depth."""

compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


class Scene(NamedTuple):
    """Triangles by number, and where their bodies are at the times of S frames."""

    corners: np.ndarray
    """(F, 3, 3) float32, in the frames of their bodies."""
    body: np.ndarray
    """(F,) int32."""
    soft: np.ndarray
    """(F,) int32: place in `shapes`, -1 for triangles that keep their shape."""
    shapes: np.ndarray
    """(S, G, 3, 3) float32."""
    reference_from_body: np.ndarray
    """(S, B, 4, 4) float64."""
    rests: np.ndarray
    """(S, B) bool: whether a body is where it is at the target time."""


class Views(NamedTuple):
    """What the pixels of S crops of (H, W) see."""

    triangle: np.ndarray
    """(S, h, w) int32, of the stored images; -1 for nothing."""
    rows: np.ndarray
    """(S, H) int64: of the stored image, on which pixel centres of the crop fall."""
    columns: np.ndarray
    """(S, W) int64."""
    stored_v: np.ndarray
    """(S, H) float64: where in the crop the centres of these rows are."""
    stored_u: np.ndarray
    """(S, W) float64."""
    eyes: np.ndarray
    """(S, B, 3) float64: the camera in the frames of bodies."""
    rays: np.ndarray
    """(S, B, 3, 3) float64: (u, v, 1) to a direction in the frame of a body."""
    onto: np.ndarray
    """(3, 4) float64: reference frame to the image of the target frame."""
    target: int


class Found(NamedTuple):
    """What is filled in, 0 at first; see `vdpm.training.example.Example`."""

    here: np.ndarray
    there: np.ndarray
    pixels: np.ndarray
    valid: np.ndarray
    visible: np.ndarray


class Scaled(NamedTuple):
    """What `rescale` fills in."""

    here: np.ndarray
    there: np.ndarray
    moving: np.ndarray


@compiled
@no_type_check
def trace(scene, views, found):
    """Fill in all frames, the target frame first: the others ask what it sees."""
    frames, height, width = found.valid.shape
    bodies = np.full((height, width), -1, np.int32)
    depths = np.zeros((height, width), np.float32)
    sweep(scene, views, found, views.target, bodies, depths)
    for frame in range(frames):
        if frame != views.target:
            sweep(scene, views, found, frame, bodies, depths)


@compiled
@no_type_check
def sweep(scene, views, found, frame, bodies, depths):
    """Fill in one frame; the target frame also says which bodies it sees how deep."""
    _, height, width = found.valid.shape
    own = frame == views.target
    for row in range(height):
        line, last, body, soft = views.triangle[frame, views.rows[frame, row]], -1, 0, -1
        a = b = c = bc = ca = ab = eye = (0.0, 0.0, 0.0)
        volume = 0.0
        for column in range(width):
            number = line[views.columns[frame, column]]
            if number < 0:
                continue
            if number != last:
                last, body, soft = number, scene.body[number], scene.soft[number]
                eye = three(views.eyes[frame, body])
                a, b, c = corners(scene, number, soft, frame, eye)
                bc, ca, ab = cross(b, c), cross(c, a), cross(a, b)
                volume = dot(a, bc)
            rays = views.rays[frame, body]
            ray = onto(rays, column + 0.5, row + 0.5)
            wa, wb, wc = dot(ray, bc), dot(ray, ca), dot(ray, ab)
            length = volume / (wa + wb + wc)
            point = (eye[0] + length * ray[0], eye[1] + length * ray[1], eye[2] + length * ray[2])
            missed = min(wa, wb, wc) < 0.0 < max(wa, wb, wc)
            weights = shares(wa, wb, wc) if missed or soft >= 0 else (0.0, 0.0, 0.0)
            if missed:
                ray = onto(rays, views.stored_u[frame, column], views.stored_v[frame, row])
                weights = back(shares(dot(ray, bc), dot(ray, ca), dot(ray, ab)), weights)
                point = blend(weights, a, b, c, eye)
            here = placed(scene.reference_from_body[frame, body], point)
            there = here
            if not own and soft >= 0:
                a1, b1, c1 = corners(scene, number, soft, views.target, (0.0, 0.0, 0.0))
                point = blend(weights, a1, b1, c1, (0.0, 0.0, 0.0))
                there = placed(scene.reference_from_body[views.target, body], point)
            elif not own and not scene.rests[frame, body]:
                there = placed(scene.reference_from_body[views.target, body], point)
            found.valid[frame, row, column] = True
            for axis in range(3):
                found.here[frame, row, column, axis] = here[axis]
                found.there[frame, row, column, axis] = there[axis]
            x, y, z = placed(views.onto, there)
            if own:
                bodies[row, column], depths[row, column] = body, z
            if z <= 0.0:
                continue
            nearness = 1.0 / z
            u, v = x * nearness, y * nearness
            found.pixels[frame, row, column, 0], found.pixels[frame, row, column, 1] = u, v
            if u >= 0.0 and v >= 0.0 and u < width and v < height:
                found.visible[frame, row, column] = own or in_sight(u, v, z, body, bodies, depths)


@compiled
@no_type_check
def corners(scene, number, soft, frame, eye):
    """The corners of a triangle at the time of a frame, in the frame of its body, seen from a point."""
    where = scene.corners[number] if soft < 0 else scene.shapes[frame, soft]
    return minus(three(where[0]), eye), minus(three(where[1]), eye), minus(three(where[2]), eye)


@compiled
@no_type_check
def shares(wa, wb, wc):
    """Barycentric weights of where a ray meets the plane of a triangle, from weights up to their sum.

    With the camera at the origin and corners a, b, c a ray d meets the plane at weights d (b x c), d (c x a), d (a x b) up to
    their sum, by Cramer's rule for [a b c] w = d, and after det [a b c] over that sum of its lengths.
    """
    nearness = 1.0 / (wa + wb + wc)
    return (wa * nearness, wb * nearness, wc * nearness)


@compiled
@no_type_check
def back(start, weights):
    """The last point inside of the triangle on the way from weights of the stored pixel's hit to those of a near miss."""
    room = 1.0
    a, b, c = bounded(start[0]), bounded(start[1]), bounded(start[2])
    da, db, dc = weights[0] - a, weights[1] - b, weights[2] - c
    if da < 0.0:
        room = min(room, -a / da)
    if db < 0.0:
        room = min(room, -b / db)
    if dc < 0.0:
        room = min(room, -c / dc)
    return (a + room * da, b + room * db, c + room * dc)


@compiled
@no_type_check
def in_sight(u, v, z, body, bodies, depths):
    """Whether one of the four pixels around sees the same body and nothing nearer."""
    height, width = bodies.shape
    left, top = int(u + 0.5) - 1, int(v + 0.5) - 1
    nearest = z / (1.0 + SAME_DEPTH)
    for row in (max(top, 0), min(top + 1, height - 1)):
        for column in (max(left, 0), min(left + 1, width - 1)):
            if bodies[row, column] == body and nearest < depths[row, column]:
                return True
    return False


@compiled
@no_type_check
def rescale(here, there, valid, known, out, least):
    """Points at a unit mean distance of the valid ones of `here`; marks what is displaced by more than `least`.

    Answers what was one unit, 1 where nothing is valid.
    """
    frames, height, width = valid.shape
    total, count = 0.0, 0
    for f in range(frames):
        for r in range(height):
            for c in range(width):
                if valid[f, r, c]:
                    total += np.sqrt(here[f, r, c, 0] ** 2 + here[f, r, c, 1] ** 2 + here[f, r, c, 2] ** 2)
                    count += 1
    unit = total / count if count else 1.0
    scale = np.float32(1.0 / unit)
    for f in range(frames):
        for r in range(height):
            for c in range(width):
                square = np.float32(0.0)
                for axis in range(3):
                    start, end = scale * here[f, r, c, axis], scale * there[f, r, c, axis]
                    out.here[f, r, c, axis], out.there[f, r, c, axis] = start, end
                    square += (end - start) ** 2
                out.moving[f, r, c] = known[f, r, c] and square > least * least
    return unit


@compiled
@no_type_check
def recolour(images, tables, mixing, grain, start, noise, out):
    """Colours through a table for each channel, one linear map of channels, grain, and the range of 0 to 1.

    `grain` has a power of two of numbers, of which those from `start` on are taken.
    """
    frames, height, width, _ = images.shape
    plane, mask = height * width, len(grain) - 1
    for f in range(frames):
        for r in range(height):
            for c in range(width):
                red, green, blue = images[f, r, c, 0], images[f, r, c, 1], images[f, r, c, 2]
                x, y, z = tables[0, red], tables[1, green], tables[2, blue]
                for channel in range(3):
                    value = mixing[channel, 0] * x + mixing[channel, 1] * y + mixing[channel, 2] * z
                    if noise > 0.0:
                        value += noise * grain[(start + (channel * frames + f) * plane + r * width + c) & mask]
                    out[f, channel, r, c] = min(max(value, np.float32(0.0)), np.float32(1.0))


@compiled
@no_type_check
def placed(matrix, point):
    """A point through the upper three rows of a 4 x 4 matrix."""
    x, y, z = point
    return (
        matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3],
        matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3],
        matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3],
    )


@compiled
@no_type_check
def onto(rays, u, v):
    """The direction of a pixel."""
    return (
        rays[0, 0] * u + rays[0, 1] * v + rays[0, 2],
        rays[1, 0] * u + rays[1, 1] * v + rays[1, 2],
        rays[2, 0] * u + rays[2, 1] * v + rays[2, 2],
    )


@compiled
@no_type_check
def blend(weights, a, b, c, start):
    """A point of a triangle whose corners are seen from `start`."""
    return (
        weights[0] * a[0] + weights[1] * b[0] + weights[2] * c[0] + start[0],
        weights[0] * a[1] + weights[1] * b[1] + weights[2] * c[1] + start[1],
        weights[0] * a[2] + weights[1] * b[2] + weights[2] * c[2] + start[2],
    )


@compiled
@no_type_check
def three(values):
    return (np.float64(values[0]), np.float64(values[1]), np.float64(values[2]))


@compiled
@no_type_check
def minus(a, b):
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


@compiled
@no_type_check
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
@no_type_check
def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@compiled
@no_type_check
def bounded(x):
    return min(max(x, 0.0), 1.0)
