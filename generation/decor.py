"""What hangs on walls and lies on floors: metres, against a wall at y = 0 with the room at -y, standing on z = 0."""

from typing import Literal

import numpy as np

from generation import materials
from generation.blocks import asset, box, post
from generation.scene import Asset, Material

Kind = Literal["door", "window", "picture", "board", "nothing"]
KINDS = {"picture": 0.4, "window": 0.2, "board": 0.15, "nothing": 0.25}
"""What hangs on a piece of wall, and how often."""
Parts = dict[str, tuple[Asset, Material]]


def hung(rng: np.random.Generator, kind: str, wood: Material, trim: Material) -> Parts:
    """What hangs on a piece of wall 1.5 m wide, by its parts."""
    if kind == "nothing":
        return {}
    return {"door": door, "window": window, "picture": picture, "board": board}[kind](rng, wood, trim)


def _frame(name: str, width: float, height: float, bar: float, depth: float, base: float) -> Asset:
    """Four bars around an opening of a width and height, whose lower edge is at a height."""
    sides = [box((bar, depth, height + 2 * bar), (s * (width + bar) / 2, -depth / 2, base - bar)) for s in (-1, 1)]
    ends = [box((width, depth, bar), (0.0, -depth / 2, z)) for z in (base - bar, base + height)]
    return asset(name, [*sides, *ends])


def picture(rng: np.random.Generator, wood: Material, trim: Material) -> Parts:
    """A canvas at the height of the eyes, with or without a mount, in a frame."""
    width, height, bar = rng.uniform(0.3, 1.1), rng.uniform(0.3, 0.8), rng.uniform(0.015, 0.05)
    base = rng.uniform(1.45, 1.65) - height / 2
    canvas = asset("canvas", [box((width, 0.012, height), (0.0, -0.006, base))])
    parts = {
        "canvas": (canvas, materials.painting(rng, min(width, height))),
        "frame": (_frame("frame", width, height, bar, 0.03, base), wood if rng.uniform() < 0.6 else trim),
    }
    if rng.uniform() < 0.4:
        mount = _frame("mount", 0.75 * width, 0.75 * height, 0.1 * min(width, height), 0.016, base + 0.125 * height)
        parts["mount"] = (mount, materials.uniform(0.8, 0.8))
    return parts


def window(rng: np.random.Generator, wood: Material, trim: Material) -> Parts:
    """Dark panes, for it is night outside, with bars and a sill; half of them between curtains."""
    width, height = rng.uniform(0.8, 1.2), rng.uniform(0.9, 1.2)
    bars = [
        box((0.03, 0.025, height), (0.0, -0.0125, 0.95)),
        box((width, 0.025, 0.03), (0.0, -0.0125, 0.95 + 0.6 * height)),
    ]
    sill = box((width + 0.2, 0.045, 0.03), (0.0, -0.0225, 0.86))
    parts = {
        "pane": (asset("pane", [box((width, 0.01, height), (0.0, -0.005, 0.95))]), materials.uniform(0.01, 0.05)),
        "frame": (_frame("window", width, height, 0.06, 0.035, 0.95), trim),
        "bars": (asset("bars", [*bars, sill]), trim),
    }
    if rng.uniform() < 0.5:
        parts["curtains"] = (curtains(rng, width, 0.95 + height), materials.carpet(rng))
    return parts


def curtains(rng: np.random.Generator, width: float, top: float) -> Asset:
    """Folds on both sides of a window: upright rods side by side, and the rail that they hang from."""
    radius, share = rng.uniform(0.014, 0.02), rng.uniform(0.15, 0.25)
    across = np.arange(width * (0.5 - share), width * 0.5 + 0.1, 1.7 * radius)
    folds = [post(radius, top - 0.1, (s * x, -0.026, 0.15)) for s in (-1, 1) for x in across.tolist()]
    return asset("curtains", [*folds, box((width + 0.3, 0.03, 0.03), (0.0, -0.026, top + 0.05))])


def board(rng: np.random.Generator, wood: Material, trim: Material) -> Parts:
    """A board with a row of books that leave room for more."""
    width, level = rng.uniform(0.6, 1.2), rng.uniform(1.3, 1.7)
    books, at = [], -width / 2 + 0.03
    while at < width / 2 - 0.2:
        thick, tall = rng.uniform(0.015, 0.05), rng.uniform(0.16, 0.3)
        books.append(box((thick, 0.15, tall), (at + thick / 2, -0.09, level + 0.025)))
        at += thick + (rng.uniform(0.1, 0.4) if rng.uniform() < 0.1 else 0.002)
    return {
        "board": (asset("board", [box((width, 0.2, 0.025), (0.0, -0.1, level))]), wood),
        "books": (asset("books", books), materials.painting(rng, 0.3)),
    }


def door(rng: np.random.Generator, wood: Material, trim: Material) -> Parts:
    """A door, shut, with two panels and a handle."""
    width, height = rng.uniform(0.78, 0.92), rng.uniform(1.98, 2.1)
    leaf = [
        box((width, 0.012, height), (0.0, -0.006, 0.0)),
        *(box((0.65 * width, 0.02, 0.36 * height), (0.0, -0.01, z * height)) for z in (0.09, 0.54)),
    ]
    side = float(rng.choice([-1.0, 1.0]))
    handle = [
        box((0.04, 0.02, 0.2), (side * (width / 2 - 0.07), -0.02, 0.95)),
        box((0.12, 0.015, 0.02), (side * (width / 2 - 0.11), -0.0375, 1.05)),
    ]
    posts = [box((0.08, 0.03, height + 0.08), (s * (width / 2 + 0.04), -0.015, 0.0)) for s in (-1, 1)]
    lintel = box((width, 0.03, 0.08), (0.0, -0.015, height))
    return {
        "leaf": (asset("door", leaf), wood),
        "frame": (asset("door_frame", [*posts, lintel]), trim),
        "handle": (asset("handle", handle), materials.steel(rng)),
    }


def skirting(half: tuple[float, float]) -> Asset:
    """A low board along the walls of a room."""
    x, y, thick, tall = half[0], half[1], 0.014, 0.09
    along = [box((2 * x, thick, tall), (0.0, s * (y - thick / 2), 0.0)) for s in (-1, 1)]
    across = [box((thick, 2 * (y - thick), tall), (s * (x - thick / 2), 0.0, 0.0)) for s in (-1, 1)]
    return asset("skirting", [*along, *across])


def rug(rng: np.random.Generator, half: tuple[float, float]) -> Asset:
    """A carpet somewhere on the floor."""
    width, depth = rng.uniform(0.5, 1.2) * half[0], rng.uniform(0.5, 1.2) * half[1]
    x, y = rng.uniform(-0.9, 0.9, size=2) * (half[0] - width / 2 - 0.05, half[1] - depth / 2 - 0.05)
    return asset("rug", [box((width, depth, 0.012), (float(x), float(y), 0.0))])
