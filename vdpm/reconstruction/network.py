"""The V-DPM network as one who answers windows."""

import numpy as np
from jaxtyping import Float32, UInt8

from vdpm.geometry import invert
from vdpm.model.encoding import Encoding, Maps
from vdpm.model.frames import Fit, fit
from vdpm.model.model import Model
from vdpm.model.predict import cameras
from vdpm.reconstruction.window import Answer, Predict

TRACK_GRID = 48
"""Tracks along the longer side of a frame."""


def predictor(model: Model) -> Predict:
    """The network, ready for windows of frames of any size."""
    return lambda rgb: answer(model, rgb)


def answer(model: Model, rgb: UInt8[np.ndarray, "S H W 3"]) -> Answer:
    """Encode once, decode three times as little as could be: all frames at two times, one frame at all times."""
    height, width = rgb.shape[1:3]
    place = fit(height, width, model.network.sizes)
    encoding = model.encode(place.images(rgb))
    camera_from_world, K = cameras(encoding)
    seen = encoding.video()
    points = place.back(seen.points[0].numpy())
    pixels = track_pixels(height, width)
    return Answer(
        K=place.intrinsics(K),
        world_from_camera=invert(camera_from_world),
        points=points,
        confidence=_confidence(seen, place),
        motion=_motion(encoding, place, points),
        tracks=_tracks(encoding, place, pixels),
        track_pixel=pixels,
    )


def track_pixels(height: int, width: int) -> Float32[np.ndarray, "M 2"]:
    """Pixel centres (u, v) on a grid."""
    step = max(1, round(max(height, width) / TRACK_GRID))
    v, u = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    return np.stack([u.ravel(), v.ravel()], axis=-1).astype(np.float32) + 0.5


def _confidence(maps: Maps, place: Fit) -> Float32[np.ndarray, "S H W"]:
    """At the pixels of the video; maps of points are what `Fit` knows to carry."""
    thrice = np.repeat(maps.confidence[0].numpy()[..., None], 3, axis=-1)
    return np.ascontiguousarray(place.back(thrice)[..., 0])


def _motion(encoding: Encoding, place: Fit, points: Float32[np.ndarray, "S H W 3"]) -> Float32[np.ndarray, "S H W"]:
    ends = (0, encoding.frames - 1)
    moved = (place.back(maps.points[0].numpy()) for maps in encoding.decode(times=ends))
    return np.maximum.reduce([np.linalg.norm(there - points, axis=-1) for there in moved])


def _tracks(encoding: Encoding, place: Fit, pixels: Float32[np.ndarray, "M 2"]) -> Float32[np.ndarray, "M S 3"]:
    u, v = pixels.astype(int).T
    maps = encoding.decode(frames=(0,))
    return np.stack([place.back(each.points[0].numpy())[0, v, u] for each in maps], axis=1)
