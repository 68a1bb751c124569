"""What training sees: the record between the data (`vdpm.training.data`) and the objective (`vdpm.training.losses`)."""

from dataclasses import dataclass

from jaxtyping import Bool, Float32, Int64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B windows of S frames each, frame 0 the reference, with one target time for all frames of a window.

    Points are in the camera of frame 0, at a scale that gives the points of a window (all frames, at their own times) a
    mean distance of 1 to the origin. Values outside of the masks are 0, never NaN.
    """

    images: Float32[Tensor, "B S 3 H W"]
    """Colours from 0 to 1."""
    target: Int64[Tensor, " B"]
    """The frame, of the S, at whose time Q is asked for."""
    stamps: Float32[Tensor, "B S"]
    """When frames were taken, in frames of the clip, 0 for the reference: negative before it."""
    here: Float32[Tensor, "B S H W 3"]
    """P: where the point seen by each pixel is at the time of its own frame."""
    there: Float32[Tensor, "B S H W 3"]
    """Q: where that same point is at the target time."""
    valid: Bool[Tensor, "B S H W"]
    """Pixels whose P is known."""
    known: Bool[Tensor, "B S H W"]
    """Pixels whose Q is known as well; fewer where only sparse tracks are there."""
    moving: Bool[Tensor, "B S H W"]
    """Pixels that are `known` and displaced by more than `MOVING` from their own time to the target time."""
    pixels: Float32[Tensor, "B S H W 2"]
    """Where each point is in the image of the target frame, pixels (u, v) with the first centre at 0.5."""
    visible: Bool[Tensor, "B S H W"]
    """Whether the target frame sees it there: inside the image and hidden by nothing."""
    cameras: Float32[Tensor, "B S 9"]
    """Pose encodings (`vdpm.model.poses`) at the scale of the points; 0 where `posed` is false."""
    posed: Bool[Tensor, " B"]
    """Whether the cameras are known."""
    names: tuple[str, ...]
    """Of the clips, for reports."""


MOVING = 0.02
"""Displacement, in units of the mean distance to the origin, from which a point counts as moving."""
