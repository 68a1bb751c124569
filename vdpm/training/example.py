"""One training example in metres, as any source gives it, and how examples become a `Batch`."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from vdpm.geometry import invert
from vdpm.model import poses
from vdpm.training.parcel import Parcel, empty
from vdpm.training.sample import MOVING, Batch
from vdpm.training.tracing import rescale

MAPS = ("images", "here", "there", "pixels", "stamps", "valid", "known", "visible")
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
    return opened(packed(examples), tuple(example.name for example in examples))


def opened(found: Parcel, names: tuple[str, ...]) -> Batch:
    """The batch of a parcel."""
    return Batch(names=names, **found.tensors)


def packed(examples: list[Example]) -> Parcel:
    """All of a batch but its names, in one piece of memory."""
    found = empty(_layout(len(examples), examples[0]))
    arrays, units = found.arrays, np.ones(len(examples))
    for place, example in enumerate(examples):
        for name in MAPS:
            arrays[name][place] = getattr(example, name)
        here, there, valid, known = (arrays[name][place] for name in ("here", "there", "valid", "known"))
        units[place] = rescale(here, there, valid, known, arrays["moving"][place], np.float32(MOVING))
        arrays["target"][place], arrays["posed"][place] = example.target, example.posed
    arrays["cameras"][:] = _cameras(examples, units)
    return found


def _layout(count: int, example: Example) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    kinds = {np.dtype(np.float32): torch.float32, np.dtype(bool): torch.bool}
    maps = {name: getattr(example, name) for name in MAPS}
    return {
        **{name: (kinds[values.dtype], (count, *values.shape)) for name, values in maps.items()},
        "moving": (torch.bool, (count, *example.known.shape)),
        "cameras": (torch.float32, (count, len(example.K), 9)),
        "target": (torch.int64, (count,)),
        "posed": (torch.bool, (count,)),
    }


def _cameras(examples: list[Example], units: Float64[np.ndarray, " B"]) -> Float64[np.ndarray, "B S 9"]:
    """Pose encodings at unit scale, 0 where cameras are unknown."""
    matrix = invert(np.stack([example.reference_from_camera for example in examples]))[:, :, :3]
    matrix[..., 3] /= units[:, None, None]
    K = torch.from_numpy(np.stack([example.K for example in examples]))
    encoded = poses.encoded(torch.from_numpy(matrix), K, *examples[0].images.shape[2:]).numpy()
    return encoded * np.array([example.posed for example in examples])[:, None, None]
