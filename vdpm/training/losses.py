"""What training minimises. Every loss is a mean inside each window first and then over the batch, as V-DPM's ablation asks.

P and Q follow DPM's confidence-calibrated loss c |e| - alpha log c, cameras VGGT's loss. The rest is ours, for training
from nothing: pixels in motion weigh more in P and Q alike, displacements are compared with displacements, and matches are
taught by the exact correspondences that the data have.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from vdpm.model.matching import Match
from vdpm.model.network import Answer
from vdpm.model.stem import STEP, sampled
from vdpm.training.sample import MOVING, Batch

FARTHEST = 100.0
"""Translations are clamped there, as VGGT does."""
FADING = 0.6
"""Weight of each step of the camera head relative to the one after it."""
WIDEST = 6.0
"""Features: a match that is farther off is not brought back by refinement."""
CREEPING = 0.002
"""Displacement, in units of the mean distance, from which benchmarks count a point as moving (1 cm at 5 m): far less than
`MOVING`, below which noise is as large as the motion."""
RESTING = 0.3
"""How much displacements of what rests count, all together, against those of what moves."""
USUAL = 0.07
"""Displacement, in units of the mean distance, whose error counts 1 where displacements are `pooled`: about the mean in
`mini`, up to 12 frames apart (0.066; 0.16 in clips rendered for training, 0.25 in `procedural`). It is a weight, no more."""
FAR_OFF = 40.0
"""Pixels: a match that is farther off is as wrong as one that far off."""
TINY = 1e-9
PER_PIXEL = "B S H W"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Which losses there are, and how much each counts."""

    points: float = 1.0
    """P."""
    moved: float = 1.0
    """Q."""
    camera: float = 5.0
    confidence: float = 0.2
    """alpha of the confidence term in P and Q; 0 leaves confidences out, for little data."""
    motion_weight: float = 1.0
    """How much more a moving pixel counts than one at rest, in P and Q alike: weighing Q alone gives false gains."""
    displacement: float = 0.0
    """Q - P."""
    pooled: bool = False
    """Displacements count by their length, as where benchmarks add up all windows before they divide; else each window's
    are shares of its own motion, so that slow ones count as much as fast ones."""
    flat: float = 0.0
    """2-D displacement of matches; for networks that match."""
    matching: float = 0.0
    """Cross-entropy of matches; for networks that match."""
    camera_norm: Literal["l1", "huber"] = "l1"


def losses(answer: Answer, batch: Batch, objective: Objective) -> dict[str, Tensor]:
    """The losses that count, by name, before they are weighted."""
    alpha, weight = objective.confidence, 1.0 + (objective.motion_weight - 1.0) * batch.moving.float()
    here, there, match, sources = answer.here, answer.there, answer.match, answer.sources
    found = {
        "points": point_loss(*here, batch.here, weight * batch.valid, alpha),
        "camera": camera_loss(answer.poses, batch, objective.camera_norm),
    }
    if objective.moved:
        found["moved"] = point_loss(*there, batch.there, weight * batch.known, alpha)
    if objective.displacement:
        found["displacement"] = displacement_loss(there[0] - here[0], batch, pooled=objective.pooled)
    if match is not None and sources is not None and objective.flat:
        found["flat"] = flat_loss(match, batch, sources, objective.motion_weight)
    if match is not None and sources is not None and objective.matching:
        found["matching"] = matching_loss(match, batch, sources, objective.motion_weight)
    return found


def total(found: dict[str, Tensor], objective: Objective) -> Tensor:
    """The weighted sum."""
    return torch.stack([getattr(objective, name) * value for name, value in found.items()]).sum()


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean inside each example, then over the batch; an example without weights counts as 0."""
    values, weights = values.flatten(1), weights.flatten(1).to(values.dtype)
    return ((values * weights).sum(1) / weights.sum(1).clamp(min=TINY)).mean()


def _length(vectors: Float[Tensor, "*N C"]) -> Float[Tensor, "*N"]:
    """Euclidean length, whose gradient at 0 is 0."""
    return (vectors.square().sum(-1) + TINY).sqrt()


def point_loss(
    points: Float[Tensor, "B S H W 3"],
    confidence: Float[Tensor, "B S H W"],
    truth: Float[Tensor, "B S H W 3"],
    weight: Float[Tensor, "B S H W"],
    alpha: float,
) -> Float[Tensor, ""]:
    """c |e| - alpha log c, or |e| when alpha is 0 (DUSt3R, Wang et al. 2024; DPM, Sucar et al. 2025)."""
    error = _length(points - truth)
    return _mean(confidence * error - alpha * confidence.log() if alpha else error, weight)


def camera_loss(
    steps: list[Float[Tensor, "B S 9"]], batch: Batch, norm: Literal["l1", "huber"] = "l1"
) -> Float[Tensor, ""]:
    """Translation + quaternion + half the fields of view, later steps of the camera head counting more (VGGT)."""
    truth = batch.cameras.to(steps[0].dtype)
    parts = []
    for number, step in enumerate(steps):
        guess = torch.cat((step[..., :3].clamp(-FARTHEST, FARTHEST), step[..., 3:]), dim=-1)
        error = (
            functional.huber_loss(guess, truth, reduction="none", delta=0.1)
            if norm == "huber"
            else _absolute(guess - truth)
        )
        shares = error[..., :3].mean(-1) + error[..., 3:7].mean(-1) + 0.5 * error[..., 7:].mean(-1)
        parts.append(FADING ** (len(steps) - 1 - number) * _mean(shares, batch.posed[:, None].expand(shares.shape)))
    return torch.stack(parts).mean()


def _absolute(x: Tensor) -> Tensor:
    return x.abs()


def displacement_loss(steps: Float[Tensor, "B S H W 3"], batch: Batch, *, pooled: bool = False) -> Float[Tensor, ""]:
    """Error of displacements relative to their mean length in the window; what rests counts less than what moves.

    With nothing at rest this is the displacement error of the benchmark: 1 says that nothing moves. The mean length is
    taken for `MOVING` where it is less. If `pooled`, errors are relative to `USUAL` in all windows.
    """
    truth, others = batch.there - batch.here, _others(batch)[..., None, None]
    error, length = _length(steps - truth), _length(truth.to(steps.dtype))
    moving = batch.known & (length > CREEPING) & others
    resting = batch.known & ~moving & others
    relative = error / (USUAL if pooled else _typical(length, moving)[:, None, None, None])
    return _mean(relative, moving) + RESTING * _mean(relative, resting)


def _typical(length: Float[Tensor, "B S H W"], moving: Bool[Tensor, "B S H W"]) -> Float[Tensor, " B"]:
    """Mean length of what moves, for each window; `MOVING` where that is less."""
    count = moving.flatten(1).sum(1).clamp(min=1)
    return ((length * moving).flatten(1).sum(1) / count).clamp(min=MOVING)


def _others(batch: Batch) -> Bool[Tensor, "B S"]:
    """Frames that are not the target frame: what is seen at its own time does not move."""
    return torch.arange(batch.images.shape[1], device=batch.target.device) != batch.target[:, None]


def _at_features(batch: Batch, sources: Int64[Tensor, "B F"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where the points of the pixels that features of some frames stand for are in the target frame, whether they are seen
    there, whether that is known, and whether they move."""
    maps = (batch.pixels, batch.visible[..., None], batch.known[..., None], batch.moving[..., None])
    asked = torch.arange(len(sources), device=sources.device)[:, None], sources
    place, seen, known, moving = (sampled(values[asked]).flatten(2, 3) for values in maps)
    return place, seen[..., 0] & known[..., 0], known[..., 0], moving[..., 0]


def flat_loss(match: Match, batch: Batch, sources: Int64[Tensor, "B F"], motion_weight: float) -> Float[Tensor, ""]:
    """Distance of refined matches to where they should be, in features, for what is visible: mean over the rounds.

    Bounded: refinement is no help where the match is somewhere else altogether.
    """
    place, seen, _, moving = _at_features(batch, sources)
    weight = seen * (1.0 + (motion_weight - 1.0) * moving)
    errors = [_length((found - place) / STEP).clamp(max=WIDEST) for found in match.places[1:]]
    return torch.stack([_mean(error, weight) for error in errors]).mean()


def matching_loss(match: Match, batch: Batch, sources: Int64[Tensor, "B F"], motion_weight: float) -> Float[Tensor, ""]:
    """Cross-entropy with the true match: shared among the four features around it, or none for what is hidden.

    In units of the entropy of not knowing.
    """
    place, seen, known, moving = _at_features(batch, sources)
    height, width = (size // STEP for size in batch.images.shape[-2:])
    cells, shares = _corners(place.to(match.logits.dtype), height, width)
    hidden = torch.full_like(cells[..., :1], height * width)
    chances = match.logits.log_softmax(-1).gather(-1, torch.cat((cells, hidden), dim=-1))
    entropy = -torch.where(seen, (shares * chances[..., :4]).sum(-1), chances[..., 4])
    return _mean(entropy, known * (1.0 + (motion_weight - 1.0) * moving)) / math.log(height * width + 1)


def _corners(
    place: Float[Tensor, "*N 2"], height: int, width: int
) -> tuple[Int64[Tensor, "*N 4"], Float[Tensor, "*N 4"]]:
    """The four features around a pixel of the target frame, and their bilinear shares."""
    size = torch.tensor([width, height], device=place.device, dtype=place.dtype)
    grid = ((place - (STEP // 2 + 0.5)) / STEP).clamp(min=0).minimum(size - 1)
    low = grid.floor().minimum(size - 2)
    (u, v), (column, row) = (grid - low).unbind(-1), low.long().unbind(-1)
    cells = torch.stack([(row + down) * width + column + right for down in (0, 1) for right in (0, 1)], dim=-1)
    return cells, torch.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u], dim=-1)


@torch.no_grad()
def measures(answer: Answer, batch: Batch) -> dict[str, tuple[float, float]]:
    """What to watch, each as a sum and a count, so that several batches can be joined.

    `displacement_error`: mean |(Q - P) - truth| over mean |truth|, of moving pixels. `match_accuracy`, `match_moving`:
    share of visible (moving) pixels matched to within one feature. `flat_error_0` ...: how far off matches of moving
    pixels are by the softmax and after each refinement, pixels. `point_error`: mean |P - truth|.
    """
    moving, truth = batch.moving & _others(batch)[..., None, None], batch.there - batch.here
    off = _length(answer.there[0] - answer.here[0] - truth)
    found = {
        "displacement_error": (float(off[moving].sum()), float(_length(truth)[moving].sum())),
        "point_error": (float(_length(answer.here[0] - batch.here)[batch.valid].sum()), float(batch.valid.sum())),
    }
    if answer.match is not None and answer.sources is not None:
        place, seen, _, moves = _at_features(batch, answer.sources)
        right = _length(answer.match.place - place) < STEP
        for name, mask in (("match_accuracy", seen), ("match_moving", seen & moves)):
            found[name] = (float((right & mask).sum()), float(mask.sum()))
        for number, there in enumerate(answer.match.places):
            off = _length(there - place)[seen & moves]
            found[f"flat_error_{number}"] = (float(off.clamp(max=FAR_OFF).sum()), float(len(off)))
    return found
