"""What V-DPM answers to a video, in the records and conventions of `vdpm.clip`."""

import numpy as np
from jaxtyping import Float32, Float64

from vdpm.clip import Prediction, Video
from vdpm.geometry import invert, rigid, transform
from vdpm.model import poses
from vdpm.model.encoding import Encoding
from vdpm.model.frames import Fit, fit
from vdpm.model.model import Model


def predict(model: Model, video: Video) -> Prediction:
    """Depth and cameras of all frames, and the points of the source frames at all times.

    The world and the frame of the points are the camera of the first frame as the network means it, scale is its own.
    Depth is z of the points of each frame in its predicted camera.
    """
    height, width = video.rgb.shape[1:3]
    place = fit(height, width, model.network.sizes)
    encoding = model.encode(place.images(video.rgb))
    camera_from_world, K = cameras(encoding)
    seen = place.back(encoding.video().points[0].numpy())
    depth = np.stack([transform(*pair)[..., 2] for pair in zip(camera_from_world, seen.astype(float), strict=True)])
    return Prediction(
        K=place.intrinsics(K),
        world_from_camera=invert(camera_from_world),
        depth=depth.astype(np.float32),
        points=points(encoding, place, video.sources),
    )


def cameras(encoding: Encoding) -> tuple[Float64[np.ndarray, "T 4 4"], Float64[np.ndarray, "T 3 3"]]:
    """camera_from_world and K, in pixels of the network's image counted from the first pixel centre."""
    found = encoding.poses()[0].double()
    matrix = poses.camera_from_world(found).numpy()
    return rigid(matrix[:, :, :3], matrix[:, :, 3]), poses.intrinsics(found, encoding.height, encoding.width).numpy()


def points(encoding: Encoding, place: Fit, sources: tuple[int, ...]) -> Float32[np.ndarray, "S T H W 3"]:
    """points[s, j] = P_{sources[s]}(t_j), decoded time by time."""
    if not sources:
        return np.empty((0, encoding.frames, *place.video, 3), np.float32)
    maps = [place.back(maps.points[0].numpy()) for maps in encoding.decode(frames=sources)]
    return np.stack(maps, axis=1)
