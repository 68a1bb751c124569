"""One training example in metres, as any source gives it, and how examples become a `Batch`."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from vdpm.geometry import invert
from vdpm.model import poses
from vdpm.training.sample import MOVING, Batch
from vdpm.training.tracing import rescale

MAPS = ("images", "stamps", "here", "there", "valid", "known", "pixels", "visible")
"""Fields of an example that a batch has as they are, but for their scale."""


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
    stacked = {name: _stacked([getattr(example, name) for example in examples]) for name in MAPS}
    moving, cameras = np.empty_like(stacked["known"]), []
    for place, example in enumerate(examples):
        here, there, valid, known = (stacked[name][place] for name in ("here", "there", "valid", "known"))
        unit = rescale(here, there, valid, known, moving[place], np.float32(MOVING))
        cameras.append(_cameras(example, unit))
    stacked |= {"moving": moving, "cameras": np.stack(cameras)}
    return Batch(
        target=torch.tensor([example.target for example in examples]),
        posed=torch.tensor([example.posed for example in examples]),
        names=tuple(example.name for example in examples),
        **{name: torch.from_numpy(values) for name, values in stacked.items()},
    )


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """`np.stack`, row by row in memory whatever the arrays are."""
    answer = np.empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for place, array in enumerate(arrays):
        answer[place] = array
    return answer


def _cameras(example: Example, unit: float) -> Float32[np.ndarray, "S 9"]:
    if not example.posed:
        return np.zeros((len(example.K), 9), np.float32)
    camera_from_reference = invert(example.reference_from_camera)
    camera_from_reference[:, :3, 3] /= unit
    matrix = torch.from_numpy(camera_from_reference[:, :3])
    return poses.encoded(matrix, torch.from_numpy(example.K), *example.images.shape[2:]).float().numpy()
