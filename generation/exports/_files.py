"""Arrays as the files that layouts are made of."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from vdpm.clip import Clip
from vdpm.errors import UserError


def path(*parts: object) -> Path:
    """A path whose folder exists."""
    joined = Path(*map(str, parts))
    joined.parent.mkdir(parents=True, exist_ok=True)
    return joined


def png(file: Path, image: UInt8[np.ndarray, "H W *C"] | UInt16[np.ndarray, "H W"]) -> None:
    """8-bit grey or colour, or 16-bit grey."""
    Image.fromarray(image).save(file, "PNG")


def png16_colour(file: Path, image: UInt16[np.ndarray, "H W 3"]) -> None:
    """Three channels of 16 bits, which Pillow does not write."""
    from png import Writer  # extra `generation`, by way of Kubric

    height, width, _ = image.shape
    writer = Writer(width, height, greyscale=False, bitdepth=16)  # pyright: ignore[reportArgumentType]
    with file.open("wb") as out:
        writer.write(out, image.reshape(height, -1))


def jpeg(image: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Encoded once more, at the quality of our shards."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling="4:4:4")
    return buffer.getvalue()


def write_json(file: Path, value: Any) -> None:
    """Indented, keys sorted; arrays become lists."""
    file.write_text(json.dumps(value, indent=1, sort_keys=True, default=np.ndarray.tolist) + "\n", encoding="utf-8")


def one_K(clip: Clip, layout: str) -> np.ndarray:
    """The intrinsics of a clip for a layout that has room for one. Raises `UserError` when they change over time."""
    K = clip.cameras.K
    if not np.allclose(K, K[0], rtol=1e-9):
        raise UserError(f"{clip.name} zooms, and {layout} has one set of intrinsics a video")
    return K[0]
