"""3D tracking in one frame of reference: WorldTrack as St4RTrack and 4RC evaluate it, and Syn4D's cleaner definition.

Tracks are (T, N, 3) in the frame of the first camera, metres. APD is the mean share of points within fixed distances
(0.1, 0.3, 0.5, 1 m, boundary included), EPE the mean distance. In WorldTrack *every* frame counts, occluded or not.
Sources: St4RTrack 0f9a3f44, 4RC a08ca0a5 (the same functions), Syn4D 84d4462d.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

THRESHOLDS = (0.1, 0.3, 0.5, 1.0)
"""Metres; the reference's docstring says that they adapt to the pixel, its code does not."""
DYNAMIC_METRES = 0.01
"""A point is dynamic when its path is longer than this."""
FRAMES = 64
"""Of each video that WorldTrack looks at."""
RANSAC_ROUNDS, RANSAC_METRES, RANSAC_POINTS = 1000, 0.05, 16384
_TINY = 1e-12

Points = Float[np.ndarray, "T N 3"]


@dataclass(frozen=True, kw_only=True)
class TrackErrors:
    """Numbers over `count` entries of a video."""

    apd: float
    epe: float
    """Metres."""
    within: tuple[float, ...]
    """Share for each threshold."""
    count: int


def to_first_camera(
    camera_tracks: Points, camera_from_world: Float[np.ndarray, "T 4 4"] | None
) -> Float[np.ndarray, "T N 3"]:
    """Tracks in each frame's own camera brought to the first; without extrinsics (PStudio) they stay as they are."""
    if camera_from_world is None:
        return camera_tracks
    first_from_camera = camera_from_world[0] @ np.linalg.inv(camera_from_world)
    return np.einsum("tab,tnb->tna", first_from_camera[:, :3, :3], camera_tracks) + first_from_camera[:, None, :3, 3]


def seen_first(
    camera_tracks: Points,
    visible: Bool[np.ndarray, "T N"],
    fx_fy_cx_cy: Float[np.ndarray, " 4"],
    image_hw: tuple[int, int],
    prediction_hw: tuple[int, int],
) -> tuple[Bool[np.ndarray, " N"], np.ndarray]:
    """Which points are kept, and at which (column, row) of the prediction each of those is read.

    Visible in the first frame, projected there, brought to the size of the prediction, inside, truncated to integers.
    """
    fx, fy, cx, cy = fx_fy_cx_cy
    x, y, z = np.moveaxis(camera_tracks[0], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = np.stack([fx * x / z + cx, fy * y / z + cy], axis=-1)
        uv = uv * (np.array(prediction_hw[::-1]) / np.array(image_hw[::-1]))
        inside = (uv >= 0).all(axis=-1) & (uv < prediction_hw[::-1]).all(axis=-1)
    kept = visible[0] & inside
    return kept, uv[kept].astype(int)


def is_dynamic(truth: Points) -> Bool[np.ndarray, " N"]:
    """Points whose path in the common frame is longer than a centimetre."""
    return np.linalg.norm(np.diff(truth, axis=0), axis=-1).sum(axis=0) > DYNAMIC_METRES


# Alignments


def _norms(points: Points) -> Float[np.ndarray, "T N"]:
    return np.maximum(np.linalg.norm(points, axis=-1), _TINY)


def align_global(truth: Points, prediction: Points) -> Points:
    """One scale: median |g| over median |p|, all entries."""
    return prediction * (np.median(_norms(truth)) / np.median(_norms(prediction)))


def align_per_track(truth: Points, prediction: Points) -> Points:
    """The same scale for each track on its own."""
    return prediction * (np.median(_norms(truth), axis=0) / np.median(_norms(prediction), axis=0))[:, None]


def closed_form(
    source: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "N 3"]
) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation, translation of the closed-form Sim(3): Kabsch's rotation, scale = sum of singular values / sum x^2.

    On mirrored clouds the scale is not Umeyama's, which takes the last singular value negative. Summed in double
    precision whatever comes: in single, the scale of many points is off by 1e-6, and by how much depends on the machine.
    """
    source, target = source.astype(np.float64), target.astype(np.float64)
    mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    x, y = source - mean, target - target_mean
    u, singular, vt = np.linalg.svd(x.T @ y)
    if np.linalg.det(vt.T @ u.T) < 0:
        vt[-1] *= -1
    rotation = vt.T @ u.T
    scale = singular.sum() / ((x**2).sum() + _TINY)
    return scale, rotation, target_mean - scale * rotation @ mean


def align_closed(truth: Points, prediction: Points) -> Points:
    """`closed_form` on all entries."""
    scale, rotation, shift = closed_form(prediction.reshape(-1, 3), truth.reshape(-1, 3))
    return (scale * prediction.reshape(-1, 3) @ rotation.T + shift).reshape(prediction.shape)


def align_ransac(truth: Points, prediction: Points, rng: np.random.Generator) -> Points:
    """`closed_form` on the inliers (5 cm) of the best of 1000 samples of three points, of at most 16384 points.

    The reference draws from an unseeded generator, so that its own numbers differ from run to run by some 1e-3; here the
    generator is an argument.
    """
    source, target = prediction.reshape(-1, 3), truth.reshape(-1, 3)
    if len(source) > RANSAC_POINTS:
        chosen = rng.choice(len(source), size=RANSAC_POINTS, replace=False)
        source, target = source[chosen], target[chosen]
    best, most = np.ones(len(source), bool), -1
    model = None
    for _ in range(RANSAC_ROUNDS):
        sample = rng.choice(len(source), size=3, replace=False)
        scale, rotation, shift = candidate = closed_form(source[sample], target[sample])
        distance = ((source @ (scale * rotation).T + shift - target) ** 2).sum(axis=-1)
        inliers = distance < RANSAC_METRES**2
        if (count := np.count_nonzero(inliers)) > most:
            best, most, model = inliers, count, candidate
    assert model is not None
    scale, rotation, shift = closed_form(source[best], target[best]) if most >= 3 else model
    return (scale * prediction.reshape(-1, 3) @ rotation.T + shift).reshape(prediction.shape)


ALIGNMENTS = {"global": align_global, "per_traj": align_per_track, "sim3_closed": align_closed}
"""The deterministic ones, by their names on the command line."""


# Numbers


def track_errors(truth: Points, aligned: Points, counted: Bool[np.ndarray, "T N"] | None = None) -> TrackErrors | None:
    """APD and EPE of an aligned prediction over the entries that are counted (all by default); None if none is."""
    distance = np.linalg.norm(aligned - truth, axis=-1)
    distance = distance.ravel() if counted is None else distance[counted]
    if not len(distance):
        return None
    within = tuple(float(np.mean(distance <= threshold)) for threshold in THRESHOLDS)
    return TrackErrors(
        apd=float(np.mean(within)), epe=float(distance.mean(dtype=np.float64)), within=within, count=len(distance)
    )


@dataclass(frozen=True, kw_only=True)
class VideoScores:
    """A video: all points, and the dynamic ones, which are aligned on their own in WorldTrack."""

    all: TrackErrors
    dynamic: TrackErrors | None


def st4rtrack(truth: Points, prediction: Points, *, alignment: str = "global") -> VideoScores:
    """WorldTrack as St4RTrack's script prints it, for `alignment` global, per_traj or sim3_closed."""
    align = ALIGNMENTS[alignment]
    return _video(truth, prediction, align)


def four_rc(truth: Points, prediction: Points, rng: np.random.Generator) -> VideoScores:
    """WorldTrack as 4RC's shipped scripts do: the same, with RANSAC Sim(3)."""
    return _video(truth, prediction, lambda true, claimed: align_ransac(true, claimed, rng))


def _video(truth: Points, prediction: Points, align) -> VideoScores:
    everything = track_errors(truth, align(truth, prediction))
    if everything is None:
        raise ValueError("a video without points has no score")
    chosen = is_dynamic(truth)
    if not chosen.any():
        return VideoScores(all=everything, dynamic=None)
    true, claimed = truth[:, chosen], prediction[:, chosen]
    return VideoScores(all=everything, dynamic=track_errors(true, align(true, claimed)))


def average(videos: Sequence[VideoScores]) -> dict[str, float | None]:
    """The numbers of a data set, the reference's divisors included.

    APD of dynamic points is divided by the number of videos that have some, their EPE by the number of *all* videos, so
    that a video without dynamic points counts as 0. `epe_dynamic_own` has the divisor that one would expect.
    """
    moving = [video.dynamic for video in videos if video.dynamic is not None]
    total = sum(each.epe for each in moving)
    return {
        "apd": float(np.mean([video.all.apd for video in videos])),
        "epe": float(np.mean([video.all.epe for video in videos])),
        "apd_dynamic": float(np.mean([each.apd for each in moving])) if moving else None,
        "epe_dynamic": total / len(videos) if moving else None,
        "epe_dynamic_own": total / len(moving) if moving else None,
    }


# Syn4D


@dataclass(frozen=True, kw_only=True)
class Syn4D:
    """One sequence; `score` is the mean of APD over all and over dynamic points, or APD where nothing is dynamic."""

    scale: float
    all: TrackErrors
    dynamic: TrackErrors | None

    @property
    def score(self) -> float:
        return self.all.apd if self.dynamic is None else (self.all.apd + self.dynamic.apd) / 2


def syn4d(
    truth: Points, prediction: Points, valid: Bool[np.ndarray, "T N"], dynamic: Bool[np.ndarray, " N"] | None = None
) -> Syn4D:
    """Only visible, finite entries; one scale, median |g| / median |p| over those, for all and for dynamic points alike.

    `dynamic` comes with the data; without it, a point is dynamic that moves more than 1 cm over its consecutive valid
    steps. Double precision; mean over sequences. A prediction that lies at the origin gets the scale 0.
    """
    truth, prediction = truth.astype(np.float64), prediction.astype(np.float64)
    valid = valid & np.isfinite(truth).all(axis=-1) & np.isfinite(prediction).all(axis=-1)
    if not valid.any():
        raise ValueError("no valid entry")
    middle = float(np.median(np.linalg.norm(prediction[valid], axis=-1)))
    scale = float(np.median(np.linalg.norm(truth[valid], axis=-1))) / middle if middle > _TINY else 0.0
    moving = _moves_while_valid(truth, valid) if dynamic is None else dynamic
    everything = track_errors(truth, scale * prediction, valid)
    assert everything is not None
    return Syn4D(scale=scale, all=everything, dynamic=track_errors(truth, scale * prediction, valid & moving))


def _moves_while_valid(truth: Points, valid: Bool[np.ndarray, "T N"]) -> Bool[np.ndarray, " N"]:
    both = valid[1:] & valid[:-1]
    with np.errstate(invalid="ignore"):
        step = np.where(both, np.linalg.norm(np.diff(truth, axis=0), axis=-1), 0.0)
    return step.sum(axis=0) > DYNAMIC_METRES
