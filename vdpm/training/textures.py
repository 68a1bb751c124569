"""Solid textures: a bank of periodic noise fields with coarser and coarser copies, looked up at points of bodies.

The bank is the same for everybody: it is made from fixed seeds, in a fraction of a second, once a process. Colours come
from a palette a body, so that a field is wood for one and clouds for another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int

SIDE = 64
"""Cells of a field along each axis, which is one period."""
LEVELS = 5
"""64, 32, 16, 8 and 4 cells a side."""


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Fields from 0 to 1, all levels of all of them in one flat array."""

    values: Float32[np.ndarray, " V"]
    starts: Int[np.ndarray, "F L"]

    def __len__(self) -> int:
        return len(self.starts)


@lru_cache(maxsize=1)
def bank() -> Bank:
    """All fields."""
    fields = [_ranked(field) for field in _fields()]
    flat, starts, at = [], [], 0
    for field in fields:
        row = []
        for level in range(LEVELS):
            row.append(at)
            flat.append(field.ravel())
            at += field.size
            side = SIDE >> (level + 1)
            field = field.reshape(side, 2, side, 2, side, 2).mean(axis=(1, 3, 5))
        starts.append(row)
    return Bank(values=np.concatenate(flat).astype(np.float32), starts=np.array(starts))


def _fields() -> Iterator[np.ndarray]:
    """Clouds of three roughnesses, veins, grain, planks, checks, stripes, cells, cell borders and bricks."""
    rng = np.random.default_rng(2026)
    axis = np.arange(SIDE) / SIDE
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    rough = [_spectral(rng, slope) for slope in (0.6, 1.2, 1.8)]
    yield from rough
    yield -np.abs(rough[2] - 0.5)
    yield np.sin(2 * np.pi * (4 * z + 1.5 * rough[2]))
    yield np.sin(2 * np.pi * (2 * x + 3 * rough[1]))
    yield _uneven(rng, x, 8) + 0.15 * rough[1]
    yield ((np.floor(4 * x) + np.floor(4 * y) + np.floor(4 * z)) % 2) + 0.1 * rough[0]
    yield (np.floor(8 * x) % 2) + 0.1 * rough[0]
    near, second, cell = _cells(rng, 60)
    yield near
    yield second - near
    yield cell + 0.1 * rough[0]
    row = np.floor(8 * z)
    mortar = np.minimum((8 * z) % 1, (4 * x + 0.5 * (row % 2)) % 1)
    yield np.where(mortar < 0.12, 0.0, 1.0) + 0.4 * rough[0]


def _spectral(rng: np.random.Generator, slope: float) -> np.ndarray:
    """Gaussian noise whose amplitude falls with frequency to the power of -slope - 0.5, from 0 to 1."""
    frequency = np.fft.fftfreq(SIDE) * SIDE
    fx, fy, fz = np.meshgrid(frequency, frequency, frequency[: SIDE // 2 + 1], indexing="ij")
    length = np.maximum(np.sqrt(fx**2 + fy**2 + fz**2), 1.0)
    spectrum = np.fft.rfftn(rng.standard_normal((SIDE, SIDE, SIDE))) * length ** -(slope + 0.5)
    field = np.fft.irfftn(spectrum, s=(SIDE, SIDE, SIDE), axes=(0, 1, 2))
    return (field - field.min()) / np.ptp(field)


def _uneven(rng: np.random.Generator, x: np.ndarray, count: int) -> np.ndarray:
    """Planks: a random value for each of `count` bands."""
    return rng.permutation(count)[np.floor(count * x).astype(int)] / count


def _cells(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances to the nearest and the second of some points, and a random value of the nearest (Worley 1996)."""
    points, value = rng.random((count, 3)), rng.random(count)
    axis = ((np.arange(SIDE) / SIDE)[:, None] - points.T[:, None]).reshape(3, SIDE, count)
    square = (axis - np.round(axis)) ** 2
    distance = square[0][:, None, None] + square[1][None, :, None] + square[2][None, None]
    order = np.argpartition(distance, 1, axis=-1)[..., :2]
    two = np.sqrt(np.take_along_axis(distance, order, axis=-1))
    swap = two[..., 0] > two[..., 1]
    return two.min(axis=-1), two.max(axis=-1), value[np.where(swap, order[..., 1], order[..., 0])]


def _ranked(field: np.ndarray) -> np.ndarray:
    """From 0 to 1, every value as often as every other: contrast is up to the palette."""
    rank = np.empty(field.size)
    rank[np.argsort(field, axis=None, kind="stable")] = np.linspace(0.0, 1.0, field.size)
    return rank.reshape(field.shape)


def look_up(
    field: Int[np.ndarray, " N"], place: Float32[np.ndarray, "3 N"], footprint: Float32[np.ndarray, " N"]
) -> Float32[np.ndarray, " N"]:
    """Fields at places in units of the period, between cells as large as the footprint of a pixel, in the same units."""
    found = bank()
    level = np.clip(np.log2(np.maximum(footprint, 1e-6) * SIDE), 0, LEVELS - 1).astype(np.int32)
    side = (SIDE >> level).astype(np.int32)
    start = found.starts[field, level]
    at = place * side.astype(np.float32)
    cell = np.floor(at)
    part = at - cell
    mask = side - 1
    low = cell.astype(np.int32) & mask
    high = (low + 1) & mask
    answer = np.zeros(len(field), np.float32)
    for corner in range(8):
        pick = [(corner >> axis) & 1 for axis in range(3)]
        x, y, z = ((high if pick[axis] else low)[axis] for axis in range(3))
        weights = [part[axis] if pick[axis] else 1.0 - part[axis] for axis in range(3)]
        answer += weights[0] * weights[1] * weights[2] * found.values[start + (x * side + y) * side + z]
    return answer


def palette(rng: np.random.Generator) -> Float[np.ndarray, "256 3"]:
    """A curve through a few colours of one mood, linear light."""
    stops, vivid = int(rng.integers(2, 6)), rng.choice([0.15, 0.4, 1.0])
    base, spread = rng.random(), rng.choice([0.2, 0.5, 1.0])
    grey = base + spread * (rng.random((stops, 1)) - 0.5)
    tint = vivid * (rng.random(3) - 0.5) + 0.5 * vivid * (rng.random((stops, 3)) - 0.5)
    colours = np.clip(grey + tint, 0.03, 0.95) ** 1.8
    at = np.sort(np.concatenate([[0.0, 1.0], rng.random(stops - 2)]))
    value = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(value, at, colours[:, channel]) for channel in range(3)], axis=-1)
