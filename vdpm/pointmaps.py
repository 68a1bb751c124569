"""What follows from point maps alone: depth, lens, pose, motion, correspondence, visibility. Pure functions.

P is the point map of a frame at its own time, Q the same pixels at another time (`vdpm.clip`, Points). Both are in any one
world; pixels are counted from the corner. Where a formula has a source, it is named.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64

from vdpm.errors import UserError
from vdpm.geometry import invert, pixel_centres, project, rigid, transform

WEISZFELD_ROUNDS = 20
INLIER_PIXELS = 4.0
"""A point that lands farther from its pixel is no evidence for a pose."""
RANSAC_ROUNDS = 200
LEAST_POINTS, LEAST_SHARE = 6, 0.1
"""Of the trusted points, that have to agree on a pose; among thousands of random ones a dozen always do."""
NO_DISTORTION = np.zeros(4)
HIDDEN = 0.05
"""A point that is deeper than what is seen there by more than this share of its depth is hidden."""


def depth_of(
    points: Float[np.ndarray, "H W 3"], world_from_camera: Float64[np.ndarray, "4 4"]
) -> Float64[np.ndarray, "H W"]:
    """z in a camera: the third coordinate of T^-1 p."""
    return transform(invert(world_from_camera), points)[..., 2]


def focal(points: Float[np.ndarray, "H W 3"], weight: Float[np.ndarray, "H W"] | None = None) -> float:
    """Focal length in pixels from a point map in the camera of its own frame, principal point in the middle of the image.

    Minimises sum w |(u - cx, v - cy) - f (x / z, y / z)| by Weiszfeld's algorithm: least squares, with each pixel divided by
    its last residual, as DUSt3R (Wang et al. 2024, section 3.3) does. NaN when no point is in front of the camera.
    """
    height, width = points.shape[:2]
    pixels = pixel_centres(height, width) - np.array([width / 2, height / 2])
    good = np.isfinite(points).all(axis=-1) & (points[..., 2] > 0)
    ray = points[good][:, :2].astype(np.float64) / points[good][:, 2:]
    pixel = pixels[good]
    share = np.ones(len(pixel)) if weight is None else weight[good].astype(np.float64)
    if not share.sum() > 0:
        return float("nan")
    found = _focal(ray, pixel, share)
    for _ in range(WEISZFELD_ROUNDS):
        residual = np.linalg.norm(pixel - found * ray, axis=1)
        found = _focal(ray, pixel, share / np.maximum(residual, 1e-8))
    return found


def _focal(ray: np.ndarray, pixel: np.ndarray, weight: np.ndarray) -> float:
    """Weighted least squares: f = sum w ray.pixel / sum w ray.ray."""
    return float((weight * (ray * pixel).sum(axis=1)).sum() / (weight * (ray * ray).sum(axis=1)).sum())


def intrinsics(
    points: Float[np.ndarray, "H W 3"], weight: Float[np.ndarray, "H W"] | None = None
) -> Float64[np.ndarray, "3 3"]:
    """K of a point map in the camera of its own frame: square pixels, principal point in the middle."""
    height, width = points.shape[:2]
    f = focal(points, weight)
    return np.array([[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]])


def pose(
    points: Float[np.ndarray, "H W 3"], K: Float64[np.ndarray, "3 3"], trust: Bool[np.ndarray, "H W"]
) -> Float64[np.ndarray, "4 4"]:
    """world_from_camera of the frame whose pixels see the points: PnP with RANSAC (OpenCV, SQPnP), then refined on inliers.

    Raises `UserError` when too few trusted points agree on a camera.
    """
    import cv2

    good = trust & np.isfinite(points).all(axis=-1)
    place = points[good].astype(np.float64)
    pixel = pixel_centres(*good.shape)[good]
    cv2.setRNGSeed(0)  # RANSAC draws; equal input, equal pose
    found, turn, shift, inliers = (False, np.zeros(3), np.zeros(3), None)
    if len(place) >= LEAST_POINTS:
        found, turn, shift, inliers = cv2.solvePnPRansac(
            place,
            pixel,
            K,
            NO_DISTORTION,
            iterationsCount=RANSAC_ROUNDS,
            reprojectionError=INLIER_PIXELS,
            flags=cv2.SOLVEPNP_SQPNP,
        )
    if not found or inliers is None or len(inliers) < max(LEAST_POINTS, LEAST_SHARE * len(place)):
        raise UserError(
            f"no camera fits the points of a frame: {len(place)} trusted points, {LEAST_POINTS} and {LEAST_SHARE:.0%} of them must agree"
        )
    best = inliers.ravel()
    turn, shift = cv2.solvePnPRefineLM(place[best], pixel[best], K, NO_DISTORTION, turn, shift)
    return invert(rigid(cv2.Rodrigues(turn)[0], shift.ravel()))


def scene_flow(P: Float[np.ndarray, "H W 3"], Q: Float[np.ndarray, "H W 3"]) -> Float64[np.ndarray, "H W 3"]:
    """Q - P: how the point of each pixel moves, in the world."""
    return Q.astype(np.float64) - P


def moving(
    P: Float[np.ndarray, "H W 3"],
    Q: Float[np.ndarray, "H W 3"],
    world_from_camera: Float64[np.ndarray, "4 4"],
    share: float,
) -> Bool[np.ndarray, "H W"]:
    """Motion segmentation: |Q - P| > share * |P - c|, c the camera, so that the scale of the world plays no part."""
    far = np.linalg.norm(P - world_from_camera[:3, 3], axis=-1)
    return np.linalg.norm(scene_flow(P, Q), axis=-1) > share * far


def correspondence(
    Q: Float[np.ndarray, "H W 3"], world_from_camera: Float64[np.ndarray, "4 4"], K: Float64[np.ndarray, "3 3"]
) -> Float64[np.ndarray, "H W 2"]:
    """Where the points are in the image of the camera at their time: pi(K T^-1 Q), NaN behind it."""
    return project(transform(invert(world_from_camera), Q), K)


def visible(
    Q: Float[np.ndarray, "H W 3"],
    world_from_camera: Float64[np.ndarray, "4 4"],
    K: Float64[np.ndarray, "3 3"],
    depth: Float[np.ndarray, "H2 W2"],
) -> Bool[np.ndarray, "H W"]:
    """Whether the frame of a camera sees the points, judged by the depth of that frame at the time of Q.

    z <= (1 + 5 %) d at the pixel that the point falls on; outside of the image and behind the camera is not seen, and so is
    what falls where nothing is known. An estimate: the network does not say it.
    """
    camera = transform(invert(world_from_camera), Q)
    place = np.nan_to_num(project(camera, K), nan=-1.0, posinf=-1.0, neginf=-1.0)
    inside = ((place >= 0) & (place < np.array(depth.shape[::-1]))).all(axis=-1)
    column, row = np.where(inside[..., None], place, 0).astype(int).transpose(2, 0, 1)
    return inside & (camera[..., 2] <= (1.0 + HIDDEN) * depth[row, column])
