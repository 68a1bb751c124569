"""Optical flow from OpenCV, followed over the frames of a video. Needs the package opencv-python-headless (extra `methods`).

Pixels are (u, v) with the first centre at (0.5, 0.5), as everywhere (`vdpm.clip`); OpenCV counts from the centre.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from vdpm.clip import Prediction, Video
from vdpm.geometry import invert, pixel_centres, transform, unproject

Estimator = Callable[[UInt8[np.ndarray, "H W"], UInt8[np.ndarray, "H W"]], Float32[np.ndarray, "H W 2"]]
CONSISTENT_PIXELS = 1.0
"""A point whose flow there and back misses it by more is hidden or out of the frame."""
SMALLEST = 32
"""Pixels; OpenCV's pyramids want sides of this, and smaller frames are enlarged."""


@dataclass(frozen=True, kw_only=True)
class Flows:
    """Flow between neighbouring frames, pixels."""

    forward: Float32[np.ndarray, "P H W 2"]
    """From frame p to p + 1."""
    backward: Float32[np.ndarray, "P H W 2"]
    """From frame p + 1 to p."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where points of one frame are at all times."""

    places: Float64[np.ndarray, "T N 2"]
    """(u, v), also where they are not seen: the flow goes on."""
    seen: Bool[np.ndarray, "T N"]
    """Whether every flow from the source to here was consistent and stayed in the frame."""


def dis() -> Estimator:
    """Dense inverse search (Kroeger et al. 2016), OpenCV's preset `medium` down to full resolution."""
    import cv2

    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    return lambda first, second: search.calc(first, second, None)  # type: ignore[call-overload]


def farneback() -> Estimator:
    """Polynomial expansion (Farneback 2003): three levels, windows of 15 pixels, five rounds."""
    import cv2

    return lambda first, second: cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 5, 5, 1.1, 0)  # type: ignore[call-overload]


def flows(rgb: UInt8[np.ndarray, "T H W 3"], estimate: Estimator) -> Flows:
    """Flow between all neighbouring frames of a video, either way; OpenCV on one thread, so that runs repeat."""
    import cv2

    cv2.setNumThreads(1)
    height, width = rgb.shape[1:3]
    enlarge = -(-SMALLEST // min(height, width)) // 2 * 2 + 1  # odd: a pixel's centre stays the centre of one
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in rgb]
    gray = [cv2.resize(each, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_LINEAR) for each in gray]
    pairs = list(zip(gray[:-1], gray[1:], strict=True))
    there, back = ([estimate(*pair[::step]) for pair in pairs] for step in (1, -1))
    empty = np.zeros((0, height, width, 2), np.float32)
    step = slice(enlarge // 2, None, enlarge)
    return Flows(
        forward=np.stack(there)[:, step, step] / np.float32(enlarge) if pairs else empty,
        backward=np.stack(back)[:, step, step] / np.float32(enlarge) if pairs else empty,
    )


def follow(flow: Flows, source: int, pixels: Float64[np.ndarray, "N 2"]) -> Paths:
    """Carry pixels of a frame to all frames, flow by flow. Once a point is lost it stays lost."""
    frames = len(flow.forward) + 1
    places, seen = np.tile(pixels, (frames, 1, 1)), np.ones((frames, len(pixels)), bool)
    steps = [(t, t + 1, flow.forward[t], flow.backward[t]) for t in range(source, frames - 1)]
    steps += [(t + 1, t, flow.backward[t], flow.forward[t]) for t in range(source - 1, -1, -1)]
    for begin, end, there, back in steps:
        places[end] = places[begin] + sample(there, places[begin])
        returned = places[end] + sample(back, places[end])
        consistent = np.linalg.norm(returned - places[begin], axis=-1) < CONSISTENT_PIXELS
        inside = ((places[end] > 0) & (places[end] < there.shape[1::-1])).all(axis=-1)
        seen[end] = seen[begin] & consistent & inside
    return Paths(places=places, seen=seen)


def moved(geometry: Prediction, video: Video, estimate: Estimator) -> Prediction:
    """A prediction of geometry with the points of its sources carried along by flow."""
    assert geometry.depth is not None and geometry.K is not None and geometry.world_from_camera is not None
    if not video.sources:
        return geometry
    found = flows(video.rgb, estimate)
    return replace(geometry, points=lift(found, video.sources, geometry.depth, geometry.K, geometry.world_from_camera))


def sample(image: Float32[np.ndarray, "H W C"], pixels: Float64[np.ndarray, "N 2"]) -> Float64[np.ndarray, "N C"]:
    """Values between pixel centres, bilinear; beyond the outermost centres, theirs."""
    height, width = image.shape[:2]
    column, row = (np.clip(pixels[:, axis] - 0.5, 0, size - 1) for axis, size in ((0, width), (1, height)))
    left, top = (
        np.minimum(np.floor(at).astype(int), size - 2).clip(0) for at, size in ((column, width), (row, height))
    )
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (column - left)[:, None], (row - top)[:, None]
    above = image[top, left] * (1 - across) + image[top, right] * across
    below = image[bottom, left] * (1 - across) + image[bottom, right] * across
    return above * (1 - down) + below * down


def lift(
    flow: Flows,
    sources: tuple[int, ...],
    depth: Float32[np.ndarray, "T H W"],
    K: Float64[np.ndarray, "T 3 3"],
    world_from_camera: Float64[np.ndarray, "T 4 4"],
) -> Float32[np.ndarray, "S T H W 3"]:
    """The pixels of the sources where flow takes them, at the depth of what is there, in the frame of the first camera.

    A point that is lost, or lands where depth is unknown, stays where it was last seen.
    """
    first_from_camera = invert(world_from_camera[0]) @ world_from_camera
    maps = transform(first_from_camera[:, None, None], unproject(depth, K))
    lifted = [_lift(follow(flow, source, pixel_centres(*depth.shape[1:]).reshape(-1, 2)), source, maps)
              for source in sources]  # fmt: skip
    return np.array(lifted, np.float32).reshape(len(sources), *maps.shape)


def _lift(paths: Paths, source: int, maps: Float64[np.ndarray, "T H W 3"]) -> Float64[np.ndarray, "T N 3"]:
    frames, height, width = maps.shape[:3]
    column, row = (np.clip(paths.places[..., axis], 0, size - 1e-6).astype(int)
                   for axis, size in ((0, width), (1, height)))  # fmt: skip
    points = maps[np.arange(frames)[:, None], row, column]
    known = paths.seen & np.isfinite(points).all(axis=-1)
    for begin, end in [(t, t + 1) for t in range(source, frames - 1)] + [(t + 1, t) for t in range(source - 1, -1, -1)]:
        points[end] = np.where(known[end, :, None], points[end], points[begin])
    return points
