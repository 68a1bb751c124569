"""Video depth as the public evaluators measure it; the presets share formulas and differ in everything around them.

p is the aligned prediction, g the truth, both z in metres:
AbsRel mean |p - g| / g; SqRel mean (p - g)^2 / g; RMSE sqrt mean (p - g)^2; log RMSE sqrt mean (ln p - ln g)^2;
delta_k the share of pixels with max(p/g, g/p) < 1.25^k, strictly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from benchmark.align import l1_scale
from benchmark.evaluators import resize
from benchmark.evaluators.depth_fits import FITS, centred_medians


@dataclass(frozen=True, kw_only=True)
class DepthErrors:
    """The eight numbers of one sequence."""

    abs_rel: float
    sq_rel: float
    rmse: float
    """Metres."""
    log_rmse: float
    delta1: float
    delta2: float
    delta3: float
    valid_pixels: int


NUMBERS = tuple(field.name for field in fields(DepthErrors) if field.name != "valid_pixels")


def errors(prediction: Float[np.ndarray, " N"], truth: Float[np.ndarray, " N"], log_floor: float) -> DepthErrors:
    """The numbers of aligned depths; log RMSE and the deltas see the prediction raised to a floor in metres.

    Elementwise in the types of the arguments, as the reference; sums in double precision, where it depends on the order.
    """
    difference = prediction - truth
    raised = np.maximum(prediction, prediction.dtype.type(log_floor))
    ratio = np.maximum(raised / truth, truth / raised)
    return DepthErrors(
        abs_rel=_mean(np.abs(difference) / truth),
        sq_rel=_mean(difference**2 / truth),
        rmse=_mean(difference**2) ** 0.5,
        log_rmse=_mean((np.log(raised) - np.log(truth)) ** 2) ** 0.5,
        delta1=_mean(ratio < 1.25),
        delta2=_mean(ratio < 1.25**2),
        delta3=_mean(ratio < 1.25**3),
        valid_pixels=len(truth),
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64))


# MonST3R, CUT3R, Pi3, 4RC


@dataclass(frozen=True, kw_only=True)
class Caps:
    """What a data set cuts off, in metres; None cuts nothing."""

    max_depth: float | None
    """Truth from here on is ignored."""
    post_clip_max: float | None
    """The aligned prediction is lowered to this."""


CAPS = {
    "sintel": Caps(max_depth=70.0, post_clip_max=70.0),
    "bonn": Caps(max_depth=70.0, post_clip_max=None),
    "kitti": Caps(max_depth=None, post_clip_max=None),
}


def sequence(
    prediction: Float[np.ndarray, "T H W"],
    truth: Float[np.ndarray, "T h w"],
    *,
    alignment: str,
    caps: Caps,
    mask: Bool[np.ndarray, "T h w"] | None = None,
    disparity: bool = False,
) -> DepthErrors | None:
    """`depth_evaluation` on a whole sequence with one alignment; None when no pixel is left (the reference says 0).

    The prediction is resized with INTER_CUBIC; 0 < g (< max_depth) counts, whatever the prediction; `mask` is applied
    after the alignment, which sees all valid pixels. Log RMSE and the deltas see p >= 1e-5. A prediction of `disparity` is
    aligned to 1 / (g + 1e-8) and inverted after that, to 0 where it is not positive (`disp_input`).
    Versions: MonST3R 574cc77a, CUT3R 8bc15dc9, Pi3 97ce97b8 (branch evaluation), 4RC a08ca0a5; all alike.
    """
    prediction = resize.cubic(prediction, *truth.shape[1:])
    with np.errstate(invalid="ignore"):
        valid = (truth > 0) & (truth < (np.inf if caps.max_depth is None else caps.max_depth))
    if not valid.any():
        return None
    goal = 1 / (truth[valid] + truth.dtype.type(1e-8)) if disparity else truth[valid]
    aligned = FITS[alignment](prediction[valid], goal)
    if disparity:
        aligned = np.where(aligned > 0, 1 / np.where(aligned > 0, aligned, 1), 0).astype(aligned.dtype)
    if caps.post_clip_max is not None:
        aligned = np.minimum(aligned, aligned.dtype.type(caps.post_clip_max))
    target = truth[valid]
    if mask is not None:
        aligned, target = aligned[mask[valid]], target[mask[valid]]
    return errors(aligned, target, log_floor=1e-5) if len(target) else None


def average(sequences: Sequence[DepthErrors]) -> dict[str, float]:
    """The number of a data set in this family: the mean over sequences, weighted by their valid pixels."""
    weights = [each.valid_pixels for each in sequences]
    return {name: float(np.average([getattr(each, name) for each in sequences], weights=weights)) for name in NUMBERS}


# DepthCrafter, Video-Depth-Anything


def depthcrafter(
    disparity: Float[np.ndarray, "T H W"], truth: Float[np.ndarray, "T h w"], *, max_depth: float = 70.0
) -> DepthErrors | None:
    """Inverse depth, one least squares scale and shift a sequence, numbers per frame, then their mean over frames.

    Disparity is resized with INTER_LINEAR to the truth, which is cropped to an even size; 1e-3 < g < max_depth;
    lstsq of max(disparity, 1e-3) to 1 / (g + 1e-8) in double precision; depth = 1 / max(aligned, 1e-3), clipped to
    [1e-3, max_depth]. Frames without a valid pixel do not count; over data sets the mean is unweighted. The maximum is
    70 m on Sintel, 80 on KITTI, 10 on ScanNet, Bonn and NYU.
    Versions: DepthCrafter e5186120, Video-Depth-Anything 4f5ae231.
    """
    height, width = (size - size % 2 for size in truth.shape[1:])
    truth = truth[:, :height, :width]
    disparity = np.maximum(resize.linear(disparity, height, width), 1e-3).astype(np.float64)
    with np.errstate(invalid="ignore"):
        valid = (truth > 1e-3) & (truth < max_depth)
    if not valid.any():
        return None
    inverse = 1 / (truth[valid].astype(np.float64) + 1e-8)
    seen = disparity[valid]
    scale, shift = np.linalg.lstsq(np.stack([seen, np.ones_like(seen)], axis=1), inverse, rcond=None)[0]
    depth = np.clip(1 / np.maximum(scale * disparity + shift, 1e-3), 1e-3, max_depth)
    return _frame_mean(depth, truth.astype(np.float64), valid, 1e-3)


def _frame_mean(
    depth: Float[np.ndarray, "T H W"], truth: Float[np.ndarray, "T H W"], valid: Bool[np.ndarray, "T H W"], floor: float
) -> DepthErrors:
    """The unweighted mean over the frames that have a valid pixel."""
    each = [errors(p[v], g[v], floor) for p, g, v in zip(depth, truth, valid, strict=True) if v.any()]
    means = {name: float(np.mean([getattr(frame, name) for frame in each])) for name in NUMBERS}
    return DepthErrors(**means, valid_pixels=int(valid.sum()))


# MegaSaM, VGGT-Omega

NEAR, FAR = 0.1, 100.0
"""Metres; both evaluators look at what lies strictly between and clip predictions to it."""


def megasam_truth(truth: Float[np.ndarray, "T H W"]) -> Float[np.ndarray, "T h w"]:
    """Truth as MegaSaM's evaluator reads it: INTER_LINEAR to about 384 x 512 pixels of area, cropped to a multiple of 8.

    That is the size of MegaSaM's own output. Unknown depth has to be 0 here, and bleeds into its neighbours.
    """
    height, width = truth.shape[1:]
    scale = (384 * 512 / (height * width)) ** 0.5
    resized = resize.linear(truth, int(height * scale), int(width * scale))
    return resized[:, : resized.shape[1] // 8 * 8, : resized.shape[2] // 8 * 8]


def megasam(
    prediction: Float[np.ndarray, "T H W"], truth: Float[np.ndarray, "T h w"], *, epsilon: float = 1e-6
) -> DepthErrors | None:
    """One scale and shift a sequence from centred medians; epsilon is 1e-6 on Sintel and 1e-8 on DyCheck.

    Truth and prediction have one size: the evaluator brings the truth to that of MegaSaM's output (`megasam_truth`); our
    own truth has holes and is scored at its own size. 0.1 < g < 100; both are clipped to [0.1, 100] first; log RMSE and
    deltas see p >= 1e-3. Plain mean over scenes. Version: c2e0099c.
    """
    with np.errstate(invalid="ignore"):
        valid = (truth > NEAR) & (truth < FAR)
    if not valid.any():
        return None
    target = np.clip(truth[valid], NEAR, FAR)
    return errors(centred_medians(np.clip(prediction[valid], NEAR, FAR), target, epsilon), target, log_floor=1e-3)


MIN_PIXELS = 10
"""VGGT-Omega skips frames with fewer valid ones."""


def vggt_omega(prediction: Float[np.ndarray, "T H W"], truth: Float[np.ndarray, "T h w"]) -> DepthErrors | None:
    """MegaSaM's centred medians, but for every frame on its own; the mean over the frames of a scene.

    Double precision; the prediction is resized with an antialiased bilinear filter; 0.1 < g < 100 and both finite, at
    least 10 such pixels; prediction clipped to [0.1, 100], then aligned, then raised to 1e-6. Version: 299be1ff.
    """
    prediction = resize.antialiased(prediction.astype(np.float64), *truth.shape[1:])
    truth = truth.astype(np.float64)
    with np.errstate(invalid="ignore"):
        valid = (truth > NEAR) & (truth < FAR) & np.isfinite(prediction)
    valid &= (valid.sum(axis=(1, 2)) >= MIN_PIXELS)[:, None, None]
    if not valid.any():
        return None
    aligned = np.zeros_like(truth)
    for frame in np.flatnonzero(valid.any(axis=(1, 2))):
        seen = valid[frame]
        fitted = centred_medians(np.clip(prediction[frame][seen], NEAR, FAR), truth[frame][seen], 1e-6)
        aligned[frame][seen] = np.maximum(fitted, 1e-6)
    return _frame_mean(aligned, truth, valid, 1e-6)


# Ours


def exact(prediction: Float[np.ndarray, "T H W"], truth: Float[np.ndarray, "T H W"]) -> DepthErrors | None:
    """One scale a sequence, the exact minimiser of sum |s p - g| (`align.l1_scale`), double precision, no caps.

    All finite true depths count. None when there is none, or when no predicted depth is positive.
    """
    valid = np.isfinite(truth)
    target, seen = truth[valid].astype(np.float64), prediction[valid].astype(np.float64)
    scale = l1_scale(seen, target)
    return errors(scale * seen, target, log_floor=1e-5) if np.isfinite(scale) else None


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A depth evaluator under its public name, taking z-depths."""

    name: str
    version: str
    summary: str
    evaluate: Callable[[Float[np.ndarray, "T H W"], Float[np.ndarray, "T h w"]], DepthErrors | None]
    pooled: bool = False
    """Sequences are weighted by their valid pixels."""
    unit_free: bool = False
    """The unit of length of the prediction does not matter."""


def _inverse(depth: np.ndarray) -> np.ndarray:
    """Disparity of a depth; what is not in front of the camera is infinitely far."""
    return np.where(depth > 0, 1 / np.where(depth > 0, depth, 1.0).astype(np.float64), 0.0)


_SINTEL = CAPS["sintel"]
_ALL = [
    Preset(
        name="default",
        version="1",
        summary="the exact L1 scale per clip in double precision, nothing cut off; what others should report beside theirs",
        evaluate=exact,
        unit_free=True,
    ),
    Preset(
        name="monst3r",
        version="1",
        summary="Adam's scale and shift per clip, truth below 70 m, prediction capped at 70 m",
        evaluate=partial(sequence, alignment="scale&shift", caps=_SINTEL),
        pooled=True,
    ),
    Preset(
        name="cut3r",
        version="1",
        summary="a scale per clip from 10 reweighting steps, truth below 70 m, prediction capped at 70 m",
        evaluate=partial(sequence, alignment="scale", caps=_SINTEL),
        pooled=True,
        unit_free=True,
    ),
    Preset(
        name="depthcrafter",
        version="1",
        summary="least squares scale and shift of inverse depth per clip, truth below 70 m, mean over frames",
        evaluate=lambda prediction, truth: depthcrafter(_inverse(prediction), truth),
    ),
    Preset(
        name="megasam",
        version="1",
        summary="scale and shift from centred medians per clip, truth between 0.1 and 100 m",
        evaluate=megasam,
    ),
    Preset(
        name="vggt_omega",
        version="1",
        summary="scale and shift from centred medians per frame, truth between 0.1 and 100 m, mean over frames",
        evaluate=vggt_omega,
    ),
]
PRESETS = {preset.name: preset for preset in _ALL}
