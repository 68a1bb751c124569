"""Arrays as short text: quantised, differences of neighbours, deflated, base64. `viewer.js` undoes it.

Pixels that are neighbours are close in space and colour, and points hardly move between two times, so differences are
small numbers and their high bytes nearly all zero.
"""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8, UInt16

ABSENT = 65535
"""Stands on all axes for a point that is not there, or lies outside of the box."""
MARGIN = 2.0
"""The box reaches this many times the spread of the points beyond it on each side; what is farther is not shown."""
Packed = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where 16-bit positions lie: low + step * position."""

    low: Float[np.ndarray, " 3"]
    step: Float[np.ndarray, " 3"]

    def quantise(self, points: Float32[np.ndarray, "T N 3"]) -> UInt16[np.ndarray, "T N 3"]:
        """Nearest positions; half a step is the error."""
        place = np.rint((points - self.low) / self.step)
        outside = ~((place >= 0) & (place < ABSENT)).all(axis=-1)
        return np.where(outside[..., None], ABSENT, np.nan_to_num(place)).astype(np.uint16)


def box_around(*clouds: Float32[np.ndarray, "... 3"]) -> Box:
    """The box of clouds (..., 3): their 1st to 99th percentile and a margin, so that one far point costs the others no digits."""
    points = np.concatenate([cloud.reshape(-1, 3) for cloud in clouds])
    known = points[np.isfinite(points).all(axis=1)]
    low, high = np.percentile(known, [1, 99], axis=0) if len(known) else (np.zeros(3), np.ones(3))
    margin = MARGIN * max(float((high - low).max()), 1e-6)
    low, high = low - margin, high + margin
    return Box(low=low, step=(high - low) / (ABSENT - 1))


def ranks(confidence: Float32[np.ndarray, "T N"]) -> UInt8[np.ndarray, "T N"]:
    """Share of values that are smaller, 0 to 255; unknown is 0."""
    known = np.sort(confidence[np.isfinite(confidence)])
    place = np.searchsorted(known, np.nan_to_num(confidence, nan=-np.inf))
    return (255 * place / max(len(known), 1)).astype(np.uint8)


def pack(values: Shaped[np.ndarray, "T N C"]) -> Packed:
    """8 or 16 bit unsigned integers; differences along time or along points, whichever is shorter."""
    kind = values.dtype.itemsize
    texts = [_deflate(_differences(values, along), kind) for along in (0, 1)]
    along = int(len(texts[1]) < len(texts[0]))
    return {"shape": list(values.shape), "bytes": kind, "along": along, "data": texts[along]}


def unpack(packed: Packed) -> Shaped[np.ndarray, "T N C"]:
    """The inverse of `pack`, as the page does it."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    planes = raw.reshape(packed["bytes"], *np.array(packed["shape"])[[2, 0, 1]])
    kind = np.uint8 if packed["bytes"] == 1 else np.uint16
    value = sum(plane.astype(kind) << kind(8 * place) for place, plane in enumerate(planes))
    return np.cumsum(np.moveaxis(np.asarray(value), 0, -1), axis=packed["along"], dtype=kind)


def _differences(values: np.ndarray, along: int) -> np.ndarray:
    """Modulo 2^8 or 2^16: the sum comes out right whatever overflows."""
    before = list(values.shape)
    before[along] = 1
    return np.diff(values, axis=along, prepend=np.zeros(before, values.dtype))


def _deflate(values: np.ndarray, kind: int) -> str:
    """All low bytes, then all high bytes, each axis after the other."""
    little = np.moveaxis(values, -1, 0).astype(f"<u{kind}")
    planes = np.moveaxis(np.ascontiguousarray(little).view(np.uint8).reshape(*little.shape, kind), -1, 0)
    return base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes(), 6)).decode()
