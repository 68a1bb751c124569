"""One training example in metres, as any source gives it, and how examples become a `Batch`."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from vdpm.geometry import invert
from vdpm.model import poses
from vdpm.training import parcel
from vdpm.training.parcel import Layout, Parcel
from vdpm.training.sample import MOVING, Batch
from vdpm.training.tracing import Scaled, rescale

MAPS = ("images", "pixels", "stamps", "valid", "known", "visible")
"""Fields of an example that a batch has as they are."""


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
    count, frames, _, size, _ = (len(examples), *examples[0].images.shape)
    memory = torch.empty(parcel.size(layout(count, frames, size)), dtype=torch.uint8)
    return opened(packed(examples, memory), tuple(example.name for example in examples))


def opened(found: Parcel, names: tuple[str, ...]) -> Batch:
    """The batch of a parcel."""
    return Batch(names=names, **found.tensors)


def packed(examples: list[Example], memory: UInt8[Tensor, " N"]) -> Parcel:
    """All of a batch but its names, in one piece of memory."""
    frames, _, size, _ = examples[0].images.shape
    found = Parcel.over(memory, layout(len(examples), frames, size))
    arrays, units = found.arrays, np.ones(len(examples))
    for place, example in enumerate(examples):
        for name in MAPS:
            arrays[name][place] = getattr(example, name)
        scaled = Scaled(*(arrays[name][place] for name in Scaled._fields))
        units[place] = rescale(example.here, example.there, example.valid, example.known, scaled, np.float32(MOVING))
        arrays["target"][place], arrays["posed"][place] = example.target, example.posed
    arrays["cameras"][:] = _cameras(examples, units)
    return found


def layout(count: int, frames: int, size: int) -> Layout:
    """Of so many windows of so many frames."""
    pixels, real, flag = (count, frames, size, size), torch.float32, torch.bool
    return (
        ("images", real, (count, frames, 3, size, size)),
        ("here", real, (*pixels, 3)),
        ("there", real, (*pixels, 3)),
        ("pixels", real, (*pixels, 2)),
        ("valid", flag, pixels),
        ("known", flag, pixels),
        ("moving", flag, pixels),
        ("visible", flag, pixels),
        ("stamps", real, (count, frames)),
        ("cameras", real, (count, frames, 9)),
        ("target", torch.int64, (count,)),
        ("posed", flag, (count,)),
    )


def _cameras(examples: list[Example], units: Float64[np.ndarray, " B"]) -> Float64[np.ndarray, "B S 9"]:
    """Pose encodings at unit scale, 0 where cameras are unknown."""
    matrix = invert(np.stack([example.reference_from_camera for example in examples]))[:, :, :3]
    matrix[..., 3] /= units[:, None, None]
    K = torch.from_numpy(np.stack([example.K for example in examples]))
    encoded = poses.encoded(torch.from_numpy(matrix), K, *examples[0].images.shape[2:]).numpy()
    return encoded * np.array([example.posed for example in examples])[:, None, None]
