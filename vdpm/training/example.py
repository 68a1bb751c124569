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
    """A window of S square frames, frame 0 the reference. Points are in the camera of frame 0, metres.

    Whoever makes an example hands its arrays over: they may be changed in place. Values outside of the masks are 0.
    """

    name: str
    images: Float32[np.ndarray, "S 3 H W"]
    """Colours from 0 to 1."""
    target: int
    stamps: Float32[np.ndarray, " S"]
    here: Float32[np.ndarray, "S H W 3"]
    there: Float32[np.ndarray, "S H W 3"]
    valid: Bool[np.ndarray, "S H W"]
    known: Bool[np.ndarray, "S H W"]
    pixels: Float32[np.ndarray, "S H W 2"]
    """In the image of the target frame; 0 for what is unknown or not in front of its camera."""
    visible: Bool[np.ndarray, "S H W"]
    K: Float64[np.ndarray, "S 3 3"]
    """Principal points are the middle of the images."""
    reference_from_camera: Float64[np.ndarray, "S 4 4"]
    posed: bool = True


def collate(examples: list[Example]) -> Batch:
    """Examples at unit mean distance, stacked."""
    scaled = [_scaled(example) for example in examples]
    stacked = {name: torch.from_numpy(np.stack([arrays[name] for arrays in scaled])) for name in scaled[0]}
    return Batch(
        target=torch.tensor([example.target for example in examples]),
        posed=torch.tensor([example.posed for example in examples]),
        names=tuple(example.name for example in examples),
        **stacked,
    )


def mean_distance(example: Example) -> float:
    """Of the points of all frames, at their own times, from the reference camera, metres; 1 for no point."""
    count = np.count_nonzero(example.valid)
    return float(np.sqrt(_squares(example.here)).sum(dtype=np.float64)) / count if count else 1.0


def _squares(points: Float32[np.ndarray, "S H W 3"]) -> Float32[np.ndarray, "S H W"]:
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return x * x + y * y + z * z


def _scaled(example: Example) -> dict[str, np.ndarray]:
    unit = mean_distance(example)
    here, there = example.here * np.float32(1 / unit), example.there * np.float32(1 / unit)
    return {
        "images": example.images,
        "stamps": example.stamps,
        "here": here,
        "there": there,
        "valid": example.valid,
        "known": example.known,
        "moving": (_squares(there - here) > MOVING**2) & example.known,
        "pixels": example.pixels,
        "visible": example.visible,
        "cameras": _cameras(example, unit),
    }


def _cameras(example: Example, unit: float) -> Float32[np.ndarray, "S 9"]:
    if not example.posed:
        return np.zeros((len(example.K), 9), np.float32)
    camera_from_reference = invert(example.reference_from_camera)
    camera_from_reference[:, :3, 3] /= unit
    matrix = torch.from_numpy(camera_from_reference[:, :3])
    return poses.encoded(matrix, torch.from_numpy(example.K), *example.images.shape[2:]).float().numpy()
