"""The alignments of depth evaluators: each takes predicted and true depths (N,) and returns the aligned prediction.

The types follow the reference on purpose. Its prediction is single precision; its truth is single precision on Sintel
and double on Bonn and KITTI; and `irls` and `adam` stop before they converge, so rounding shows in their results.
Source: `depth_evaluation` of MonST3R (github.com/Junyi42/monst3r, 574cc77a) and CUT3R (github.com/CUT3R/CUT3R, 8bc15dc9).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

IRLS_STEPS = 10
ADAM_STEPS = 1000
ADAM_RATE = 1e-4
ADAM_STOP = 1e-6

Depths = Float[np.ndarray, " N"]


def lower_median(values: Depths) -> np.floating[Any]:
    """torch.median: of an even number of values the lower middle one, where np.median takes the average."""
    middle = (len(values) - 1) // 2
    return np.partition(values, middle)[middle]


def _times(scale: np.floating[Any] | float, prediction: Depths) -> Depths:
    """A scale of any type times the prediction, in the type of the prediction (a torch scalar never widens a tensor)."""
    return prediction.dtype.type(scale) * prediction


def median(prediction: Depths, truth: Depths) -> Depths:
    """s p with s = median(g) / median(p), lower medians. What MonST3R calls "scale"."""
    return _times(_median_ratio(prediction, truth), prediction)


def _median_ratio(prediction: Depths, truth: Depths) -> np.floating[Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return lower_median(truth) / lower_median(prediction)


def irls(prediction: Depths, truth: Depths) -> Depths:
    """s p after exactly 10 steps of iteratively reweighted least squares. What CUT3R and later papers call "scale".

    s0 = mean(g) / mean(p); w = 1 / (|s p - g| + 1e-8); s = sum(w p g) / sum(w p^2); at last s >= 1e-3. It has not
    converged by then: it lies between the ratio of the means and the L1 optimum (`benchmark.align.l1_scale`).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.nanmean(truth) / np.nanmean(prediction)
        for _ in range(IRLS_STEPS):
            weight = 1.0 / (np.abs(_times(scale, prediction) - truth) + 1e-8)
            scale = np.sum(weight * prediction * truth) / np.sum(weight * prediction**2)
    return _times(max(scale, 1e-3), prediction)


def adam(prediction: Depths, truth: Depths) -> Depths:
    """s p + t after at most 1000 steps of Adam on sum |s p + t - g|. What is called "scale&shift".

    Rate 1e-4, betas 0.9 and 0.999, eps 1e-8, from the ratio of the lower medians and 0; it stops once the sum changes by
    less than 1e-6. s and t move by at most about 0.1 each, so this is neither the L1 optimum nor independent of the unit
    of the prediction.
    """
    real = prediction.dtype.type
    parameters = np.array([_median_ratio(prediction, truth), 0.0], prediction.dtype)
    mean, square = np.zeros_like(parameters), np.zeros_like(parameters)
    previous = None
    for step in range(1, ADAM_STEPS + 1):
        residual = parameters[0] * prediction + parameters[1] - truth
        sign = np.sign(residual)
        gradient = np.array([np.dot(sign, prediction), sign.sum()], prediction.dtype)
        mean += real(1 - 0.9) * (gradient - mean)
        square = real(0.999) * square + real(1 - 0.999) * gradient * gradient
        denominator = np.sqrt(square) / real((1 - 0.999**step) ** 0.5) + real(1e-8)
        parameters -= real(ADAM_RATE / (1 - 0.9**step)) * mean / denominator
        loss = float(np.abs(residual).sum())
        if previous is not None and abs(previous - loss) < ADAM_STOP:
            break
        previous = loss
    return parameters[0] * prediction + parameters[1]


def lstsq(prediction: Depths, truth: Depths) -> Depths:
    """s p + t with the least squares s and t, in the wider of the two types."""
    scale, shift = np.linalg.lstsq(np.stack([prediction, np.ones_like(prediction)], axis=1), truth, rcond=None)[0]
    return scale * prediction.astype(truth.dtype) + shift


def lad(prediction: Depths, truth: Depths) -> Depths:
    """s p + t that scipy's BFGS finds for sum |s p + t - g| from the median ratio and 0. Align3R's default."""
    wide, target = prediction.astype(np.float64), truth.astype(np.float64)

    def error(parameters: np.ndarray) -> float:
        return float(np.sum(np.abs(parameters[0] * wide + parameters[1] - target)))

    scale, shift = minimize(error, [float(_median_ratio(prediction, truth)), 0.0]).x
    return _times(scale, prediction) + prediction.dtype.type(shift)


def metric(prediction: Depths, truth: Depths) -> Depths:
    """The prediction as it is."""
    return prediction


def centred_medians(prediction: Depths, truth: Depths, epsilon: float) -> Depths:
    """s p + t with s = median((g - med g + eps) / (p - med p + eps)) and t = median(g - s p): MegaSaM's.

    np.median: the average of the two middle values.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (truth - np.median(truth) + epsilon) / (prediction - np.median(prediction) + epsilon)
    scale = np.median(ratio)
    return scale * prediction + np.median(truth - scale * prediction)


FITS: dict[str, Callable[[Depths, Depths], Depths]] = {
    "median": median,
    "scale": irls,
    "scale&shift": adam,
    "lstsq": lstsq,
    "lad": lad,
    "metric": metric,
}
"""By the names that the evaluators' command lines use."""
