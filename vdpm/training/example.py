"""One training example in metres, as any source gives it, and how examples become a `Batch`."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from vdpm.geometry import invert
from vdpm.model import poses
from vdpm.training.sample import MOVING, Batch


@dataclass(frozen=True, kw_only=True)
class Example:
    """A window of S square frames, frame 0 the reference. Points are in the camera of frame 0, NaN where unknown."""

    name: str
    images: Float32[np.ndarray, "S H W 3"]
    """Colours from 0 to 1."""
    target: int
    stamps: Float32[np.ndarray, " S"]
    here: Float32[np.ndarray, "S H W 3"]
    there: Float32[np.ndarray, "S H W 3"]
    pixels: Float32[np.ndarray, "S H W 2"]
    """In the image of the target frame; NaN for what is unknown or not in front of its camera."""
    visible: Bool[np.ndarray, "S H W"]
    K: Float64[np.ndarray, "S 3 3"]
    """Principal points are the middle of the images."""
    reference_from_camera: Float64[np.ndarray, "S 4 4"]
    posed: bool = True


def collate(examples: list[Example]) -> Batch:
    """Examples at unit mean distance, stacked; unknown values become 0 outside of the masks."""
    scaled = [_arrays(example) for example in examples]
    stacked = {name: torch.from_numpy(np.stack([arrays[name] for arrays in scaled])) for name in scaled[0]}
    return Batch(
        target=torch.tensor([example.target for example in examples]),
        posed=torch.tensor([example.posed for example in examples]),
        cameras=torch.stack([_cameras(example) for example in examples]),
        names=tuple(example.name for example in examples),
        **stacked,
    )


def scale(example: Example) -> float:
    """Mean distance of the points of all frames, at their own times, from the reference camera, metres; 1 for no point."""
    distance = np.sqrt(np.einsum("shwa,shwa->shw", example.here, example.here))
    known = np.isfinite(distance)
    return float(distance[known].mean(dtype=np.float64)) if known.any() else 1.0


def _arrays(example: Example) -> dict[str, np.ndarray]:
    here, there = (points / np.float32(scale(example)) for points in (example.here, example.there))
    valid, known = np.isfinite(here[..., 0]), np.isfinite(there[..., 0])
    step = there - here
    with np.errstate(invalid="ignore"):
        moving = np.einsum("shwa,shwa->shw", step, step) > MOVING**2
    return {
        "images": np.ascontiguousarray(np.moveaxis(example.images, -1, 1)),
        "stamps": example.stamps,
        "here": np.where(valid[..., None], here, np.float32(0.0)),
        "there": np.where(known[..., None], there, np.float32(0.0)),
        "valid": valid,
        "known": known,
        "moving": moving,
        "pixels": np.where(np.isfinite(example.pixels), example.pixels, np.float32(0.0)),
        "visible": example.visible,
    }


def _cameras(example: Example) -> torch.Tensor:
    if not example.posed:
        return torch.zeros(len(example.K), 9)
    height, width = example.images.shape[1:3]
    camera_from_reference = invert(example.reference_from_camera)
    camera_from_reference[:, :3, 3] /= scale(example)
    matrix = torch.from_numpy(camera_from_reference[:, :3])
    return poses.encoded(matrix, torch.from_numpy(example.K), height, width).float()
