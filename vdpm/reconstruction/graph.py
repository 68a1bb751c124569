"""Windows brought into one world: a graph of what they share, solved as one sparse least squares.

Node k is a window with an unknown similarity S_k = (s_k, R_k, t_k), world from window; S_0 is the identity. Windows that
share frames are linked by points that both place: x in window a, y in window b, the same pixel of the same frame, confident
and still. One asks for

    min  sum over links, points   rho( z ),    z = w |S_a x - S_b y|^2 / (s_a |x - c_a| s_b |y - c_b| sigma^2)

where c is the camera that saw the point, so that the residual is a share of the distance and all windows shrinking at once
wins nothing; rho is soft-L1, 2 (sqrt(1 + z) - 1); sigma is 2 %. It starts from the chain of pairwise alignments and goes on
by Levenberg and Marquardt's steps, each from normal equations in which a point has the weight rho'(z) = 1 / sqrt(1 + z)
(iteratively re-weighted least squares) and into which each link adds four blocks of 7 x 7: no matrix grows with the points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from vdpm.reconstruction.similarity import IDENTITY, Similarity, fit_robustly, turned
from vdpm.reconstruction.window import Answer

POINTS = 600
"""Of a link: more do not help, windows have seven degrees of freedom each."""
STILL = 0.02
"""A point that moves less than this share of its distance is still ..."""
STILLEST = 0.2
"""... and so is this share of all points, whatever moves: there must be something to hold on to."""
SURE = 0.5
"""Share of points by confidence that is used."""
SIGMA = 0.02
UNKNOWNS = 7
ROUNDS = 50
ENOUGH = 1e-7
"""A step that lowers the cost by a smaller share was the last."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """The same points in two windows."""

    first: int
    second: int
    x: Float64[np.ndarray, "N 3"]
    y: Float64[np.ndarray, "N 3"]
    distance: Float64[np.ndarray, " N"]
    """Geometric mean of the distances to the camera in both windows, each in its own unit."""
    weight: Float64[np.ndarray, " N"]


def link(
    rng: np.random.Generator, numbers: tuple[int, int], frames: tuple[Sequence[int], Sequence[int]],
    answers: tuple[Answer, Answer],
) -> Link | None:  # fmt: skip
    """What two windows share; None when they share no frame."""
    shared = sorted(set(frames[0]) & set(frames[1]))
    if not shared:
        return None
    parts = [_shared(rng, answers, frames[0].index(frame), frames[1].index(frame), POINTS // len(shared) + 1)
             for frame in shared]  # fmt: skip
    x, y, distance, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Link(first=numbers[0], second=numbers[1], x=x, y=y, distance=distance, weight=weight)


def _shared(
    rng: np.random.Generator, answers: tuple[Answer, Answer], first: int, second: int, count: int
) -> tuple[np.ndarray, ...]:
    """Still and confident points of one frame: x, y, distance, weight."""
    (x, sure_x, still_x, far_x), (y, sure_y, still_y, far_y) = (
        _frame(answer, number) for answer, number in zip(answers, (first, second), strict=True)
    )
    sure, still = np.minimum(sure_x, sure_y), np.maximum(still_x, still_y)
    good = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1) & (far_x > 0) & (far_y > 0)
    good &= still <= max(STILL, float(np.quantile(still[good], STILLEST)) if good.any() else STILL)
    good &= sure >= (float(np.quantile(sure[good], 1 - SURE)) if good.any() else 0.0)
    chosen = rng.permutation(np.flatnonzero(good))[:count]
    return x[chosen], y[chosen], np.sqrt(far_x * far_y)[chosen], sure[chosen]


def _frame(answer: Answer, number: int) -> tuple[np.ndarray, ...]:
    """Points, confidence by rank from 0 to 1, motion as a share of distance, and distance of one frame."""
    points = answer.points[number].reshape(-1, 3).astype(np.float64)
    far = np.linalg.norm(points - answer.world_from_camera[number, :3, 3], axis=1)
    confidence = answer.confidence[number].ravel()
    rank = np.searchsorted(np.sort(confidence), confidence) / len(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        still = np.nan_to_num(answer.motion[number].ravel() / far, nan=np.inf)
    return points, rank, still, far


def chain(links: Sequence[Link], windows: int) -> list[Similarity]:
    """World from each window by pairwise alignment, from window to the next one it is linked to, the first one first."""
    found: dict[int, Similarity] = {0: IDENTITY}
    ahead = sorted(links, key=lambda each: (each.second - each.first, each.first))
    while len(found) < windows:
        step = next((each for each in ahead if (each.first in found) != (each.second in found)), None)
        if step is None:
            raise ValueError("windows that share no frame with the others")
        known, new = (step.first, step.second) if step.first in found else (step.second, step.first)
        x, y = (step.x, step.y) if known == step.first else (step.y, step.x)
        found[new] = found[known].after(fit_robustly(y, x, step.weight + 1e-3))
    return [found[number] for number in range(windows)]


def solve(links: Sequence[Link], windows: int) -> list[Similarity]:
    """World from each window, by the least squares at the top of this file."""
    found, damping = chain(links, windows), 1e-3
    cost = total(links, found)
    for _ in range(ROUNDS if windows > 1 else 0):
        matrix, gradient = _equations(links, found)
        diagonal = damping * np.diag(np.diag(matrix)) + 1e-12 * np.eye(len(matrix))
        step = np.linalg.solve(matrix + diagonal, -gradient)
        tried = _moved(found, step)
        better = total(links, tried)
        if better > cost:
            damping *= 10.0
            continue
        done = cost - better <= ENOUGH * cost
        found, cost, damping = tried, better, damping / 10.0
        if done:
            break
    return found


def total(links: Sequence[Link], similarities: Sequence[Similarity]) -> float:
    """What is minimised."""
    squares = (np.square(_residual(each, similarities)).sum(axis=1) for each in links)
    return float(sum(2 * (np.sqrt(1 + square) - 1).sum() for square in squares))


def _moved(start: Sequence[Similarity], step: Float64[np.ndarray, " U"]) -> list[Similarity]:
    """Windows after the first changed by (log scale, rotation vector, translation)."""
    parts = step.reshape(-1, UNKNOWNS)
    rotations = turned(parts[:, 1:4])
    return [start[0]] + [
        Similarity(
            scale=each.scale * float(np.exp(part[0])),
            rotation=rotation @ each.rotation,
            translation=each.translation + part[4:],
        )
        for each, part, rotation in zip(start[1:], parts, rotations, strict=True)
    ]


def _unit(each: Link, similarities: Sequence[Similarity]) -> Float64[np.ndarray, "N 1"]:
    """sqrt(w) over what a residual of one sigma is, in the world."""
    scale = np.sqrt(similarities[each.first].scale * similarities[each.second].scale)
    return (np.sqrt(each.weight) / (each.distance * scale * SIGMA))[:, None]


def _residual(each: Link, similarities: Sequence[Similarity]) -> Float64[np.ndarray, "N 3"]:
    a, b = similarities[each.first], similarities[each.second]
    return _unit(each, similarities) * (a.points(each.x) - b.points(each.y))


def _slope(
    similarity: Similarity, points: Float64[np.ndarray, "N 3"], unit: Float64[np.ndarray, "N 1"],
    residual: Float64[np.ndarray, "N 3"], sign: float,
) -> Float64[np.ndarray, "N 3 7"]:  # fmt: skip
    """Derivatives of a residual by a window's log scale, rotation vector and translation.

    d (S x) = s R x dlog(s) + dw x (s R x) + dt, and the unit, which has s^-1/2, adds -r / 2 dlog(s).
    """
    turned_points = similarity.points(points) - similarity.translation
    x, y, z = np.moveaxis(turned_points, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=-1).reshape(-1, 3, 3)
    shift = np.broadcast_to(np.eye(3), cross.shape)
    slopes = sign * unit[..., None] * np.concatenate([turned_points[..., None], cross, shift], axis=-1)
    slopes[..., 0] -= residual / 2
    return slopes


def _equations(
    links: Sequence[Link], similarities: Sequence[Similarity]
) -> tuple[Float64[np.ndarray, "U U"], Float64[np.ndarray, " U"]]:
    """J^T W J and J^T W r, without the first window, which stays."""
    count = UNKNOWNS * len(similarities)
    matrix, gradient = np.zeros((count, count)), np.zeros(count)
    for each in links:
        unit, residual = _unit(each, similarities), _residual(each, similarities)
        weight = 1.0 / np.sqrt(1.0 + np.square(residual).sum(axis=1))
        sides = [
            (slice(UNKNOWNS * each.first, UNKNOWNS * each.first + UNKNOWNS),
             _slope(similarities[each.first], each.x, unit, residual, 1.0)),
            (slice(UNKNOWNS * each.second, UNKNOWNS * each.second + UNKNOWNS),
             _slope(similarities[each.second], each.y, unit, residual, -1.0)),
        ]  # fmt: skip
        for place, slopes in sides:
            gradient[place] += np.einsum("n,nak,na->k", weight, slopes, residual)
            for other, others in sides:
                matrix[place, other] += np.tensordot(weight[:, None, None] * slopes, others, axes=([0, 1], [0, 1]))
    return matrix[UNKNOWNS:, UNKNOWNS:], gradient[UNKNOWNS:]
