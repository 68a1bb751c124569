"""TAPVid-3D: share of points within a threshold (APD), average Jaccard (AJ), occlusion accuracy (OA).

Tracks are (T, N, 3) in *each frame's own* camera, metres. All frames count, the query frame and those before it too. The
mean over videos, then over sources, is the number of a benchmark. Source: tapnet c2cbab81, `tapvid3d/evaluation`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

PIXELS = (1, 2, 4, 8, 16)
FIXED_METRES = (0.01, 0.04, 0.16, 0.64, 2.56)
NEIGHBOUR_METRES = 0.05
SCALINGS = (
    "median", "mean", "none", "median_on_queries", "reproduce_2d", "per_trajectory", "local_neighborhood",
)  # fmt: skip
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """Points over time and whether they are seen."""

    xyz: Float[np.ndarray, "T N 3"]
    visible: Bool[np.ndarray, "T N"]


@dataclass(frozen=True, kw_only=True)
class TrackScores:
    """Shares from 0 to 1; the tuples are over the five thresholds."""

    occlusion_accuracy: float
    within: tuple[float, ...]
    jaccard: tuple[float, ...]

    @property
    def average_within(self) -> float:
        """APD."""
        return float(np.mean(self.within))

    @property
    def average_jaccard(self) -> float:
        """AJ."""
        return float(np.mean(self.jaccard))


def score(
    truth: Tracks,
    prediction: Tracks,
    queries_xyt: Float[np.ndarray, "N 3"],
    fx_fy_cx_cy: Float[np.ndarray, " 4"],
    image_hw: tuple[int, int],
    *,
    scaling: str = "median",
    fixed: bool = False,
) -> TrackScores:
    """The scores of one video.

    Thresholds are 1 to 16 pixels of an image whose shorter side has 256, carried to the depth of the true point: delta Z
    / f with f = sqrt(fx fy); or `fixed` metres. Comparisons are strict. within: |p - g| < threshold among entries visible
    in truth, whatever the prediction says of visibility. Jaccard: TP / (visible in truth + FP), TP within and visible in
    both, FP visible in the prediction and not (within and visible in truth).

    Scalings of the prediction: `median` and `mean` of |g| over that of |p|, entries visible in both; `none`;
    `median_on_queries`, of the query frames only; `reproduce_2d`, every point to its true Z; `per_trajectory`, every track
    by Z at its query; `local_neighborhood`, the same scale, but a track is counted over every entry of any track that is
    within 5 cm of it in truth in the same frame, and the score is the mean over tracks. The last two crash in the
    released `evaluate_model.py` and score zero there; here they do what they are defined to do.
    """
    scale = _scale(truth, prediction, _query_frames(queries_xyt), scaling)
    threshold = _thresholds(truth.xyz, fx_fy_cx_cy, image_hw, fixed)
    if scaling == "local_neighborhood":
        return _mean_over_tracks(truth, prediction, np.ravel(scale), threshold)
    return _counted(truth, Tracks(xyz=prediction.xyz * scale, visible=prediction.visible), threshold)


def _query_frames(queries_xyt: Float[np.ndarray, "N 3"]) -> Int[np.ndarray, " N"]:
    return np.round(queries_xyt[:, 2]).astype(np.int32)


def _norms(tracks: Tracks) -> Float[np.ndarray, "T N"]:
    return np.sqrt(np.maximum(_TINY, np.square(tracks.xyz).sum(axis=-1)))


def _scale(truth: Tracks, prediction: Tracks, query: Int[np.ndarray, " N"], scaling: str) -> np.ndarray | float:
    """What the prediction is multiplied by, broadcast over (T, N, 3)."""
    track = np.arange(len(query))
    if scaling == "none":
        return 1.0
    if scaling == "reproduce_2d":
        return truth.xyz[..., 2:] / prediction.xyz[..., 2:]
    if scaling in ("per_trajectory", "local_neighborhood"):
        depth, other = (np.maximum(each.xyz[query, track, 2], _TINY) for each in (truth, prediction))
        return (depth / other)[:, None]
    either = truth.visible & prediction.visible
    norms, others = (np.where(either, _norms(each), np.nan) for each in (truth, prediction))
    if scaling == "median_on_queries":
        norms, others = norms[query, track], others[query, track]
    elif scaling not in ("median", "mean"):
        raise ValueError(f"unknown scaling {scaling!r}: choose one of {', '.join(SCALINGS)}")
    if np.isnan(norms).all():  # nothing is visible in both: every comparison with NaN is false, as in the reference
        return np.nan
    middle = np.nanmean if scaling == "mean" else np.nanmedian
    return np.float64(middle(norms) / middle(others)).reshape(1, 1, 1)


def _thresholds(
    truth: Float[np.ndarray, "T N 3"], fx_fy_cx_cy: Float[np.ndarray, " 4"], image_hw: tuple[int, int], fixed: bool
) -> Float[np.ndarray, "D T N"]:
    if fixed:
        return np.stack([np.full(truth.shape[:2], metres) for metres in FIXED_METRES])
    scaled = fx_fy_cx_cy * (256 / min(image_hw))
    per_pixel = truth[..., 2] / np.sqrt(scaled[0] * scaled[1])
    return np.stack([pixels * per_pixel for pixels in PIXELS])


def _counted(truth: Tracks, prediction: Tracks, threshold: Float[np.ndarray, "D T N"]) -> TrackScores:
    """Scores of a set of entries, all with the same weight."""
    distance = np.square(prediction.xyz - truth.xyz).sum(axis=-1)
    within, jaccard = [], []
    seen = int(truth.visible.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        for limit in threshold:
            close = distance < np.square(limit)
            right = close & truth.visible
            false = prediction.visible & ~right
            within.append(float(np.float64(right.sum()) / seen))
            jaccard.append(float(np.float64((right & prediction.visible).sum()) / (seen + false.sum())))
    return TrackScores(
        occlusion_accuracy=float(np.mean(truth.visible == prediction.visible)),
        within=tuple(within),
        jaccard=tuple(jaccard),
    )


def _mean_over_tracks(
    truth: Tracks, prediction: Tracks, scale: Float[np.ndarray, " N"], threshold: Float[np.ndarray, "D T N"]
) -> TrackScores:
    """Each track counted over its neighbourhood, where all are scaled as it is; then the mean over tracks.

    The weights of the reference are the same for all entries of a track and cancel. Tracks without a visible entry have
    no share to speak of and are left out of that mean.
    """
    each = []
    for track in range(len(scale)):
        offset = truth.xyz - truth.xyz[:, track : track + 1]
        near = np.square(offset).sum(axis=-1) < NEIGHBOUR_METRES**2
        true = Tracks(xyz=truth.xyz[near][:, None], visible=truth.visible[near][:, None])
        claimed = Tracks(xyz=scale[track] * prediction.xyz[near][:, None], visible=prediction.visible[near][:, None])
        each.append(_counted(true, claimed, threshold[:, near][..., None]))
    return TrackScores(
        occlusion_accuracy=float(np.mean([scores.occlusion_accuracy for scores in each])),
        within=tuple(np.nanmean([scores.within for scores in each], axis=0).tolist()),
        jaccard=tuple(np.nanmean([scores.jaccard for scores in each], axis=0).tolist()),
    )
