"""What people wear: garments are regions of the skin with clean seams, each with a material of its own."""

import colorsys
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32

from generation.implicit import cut
from generation.materials import colour, linear
from generation.people import Skin
from generation.scene import Material, Mesh, Pattern, Rgb

GARMENTS = ("skin", "top", "trousers", "shoes", "scalp")
CLOTHS: dict[Pattern, float] = {"plain": 0.35, "stripes": 0.2, "checker": 0.1, "weave": 0.2, "noise": 0.15}
PLAIN_CLOTHS: dict[Pattern, float] = {"plain": 0.55, "weave": 0.3, "noise": 0.15}
GREY = 0.15
"""How often hair is grey."""


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """Where garments end on the body at rest. Metres, in the skin's frame."""

    waist: float
    """Height between top and trousers."""
    sleeve: float
    """Distance from the middle at which sleeves end."""
    leg: float
    """Height at which trousers end."""


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Short or long sleeves, short or long trousers."""
    return Outfit(
        waist=rng.uniform(-0.02, 0.07),
        sleeve=rng.uniform(0.3, 0.4) if rng.uniform() < 0.5 else rng.uniform(0.62, 0.68),
        leg=rng.uniform(-0.42, -0.25) if rng.uniform() < 0.3 else rng.uniform(-0.78, -0.7),
    )


def _seams(outfit: Outfit, points: Float64[np.ndarray, "V 3"]) -> tuple[Float64[np.ndarray, " V"], ...]:
    """Values that are positive above the waist, beyond the sleeves, above the trouser legs, above the collar, above the
    shoes and above the hairline."""
    x, y, z = points.T
    return (
        z - outfit.waist,
        np.abs(y) - outfit.sleeve,
        z - outfit.leg,
        z - 0.49 + 0.4 * x - 0.6 * np.abs(y),
        z + 0.79,
        z - 0.53 - 1.5 * np.maximum(x + 0.02, 0.0),
    )


def dressed(body: Skin, outfit: Outfit) -> tuple[Skin, Int32[np.ndarray, " F"]]:
    """The body with its triangles cut along the seams, and the index in `GARMENTS` of each triangle."""
    for number in range(len(_seams(outfit, body.vertices))):
        rows = np.concatenate([body.vertices, body.weights], axis=1)
        rows, faces = cut(rows, body.faces, _seams(outfit, body.vertices)[number])
        body = Skin(vertices=rows[:, :3], faces=faces, weights=rows[:, 3:])
    middle = body.vertices[body.faces].mean(axis=1)
    top, hands, leg, head, shod, hair = (level > 0 for level in _seams(outfit, middle))
    regions = [~shod, ~top & ~leg & ~hands, ~top & ~hands, hair & head, head | hands]
    worn = np.select(regions, [GARMENTS.index(name) for name in ("shoes", "skin", "trousers", "scalp", "skin")], 1)
    return body, worn.astype(np.int32)


def part(body: Skin, chosen: np.ndarray) -> tuple[Mesh, Int32[np.ndarray, " W"]]:
    """Some triangles (F bools) of a body as a mesh, and the indices of its vertices in the body."""
    used, faces = np.unique(body.faces[chosen], return_inverse=True)
    mesh = Mesh(
        vertices=body.vertices[used].astype(np.float32), faces=faces.reshape(-1, 3).astype(np.int32), smooth=True
    )
    return mesh, used.astype(np.int32)


def looks(rng: np.random.Generator, bald: bool) -> dict[str, Material]:
    """Materials of all `GARMENTS` and of what a head carries (`generation.heads`), by name."""
    skin = _brown(rng, saturation=(0.28, 0.5), value=(0.3, 0.95))
    hair = _grey(rng) if rng.uniform() < GREY else _brown(rng, saturation=(0.3, 0.8), value=(0.04, 0.55))
    return {
        "skin": _even(skin, roughness=0.5),
        "top": _fabric(rng, CLOTHS, saturation=(0.05, 0.85), value=(0.15, 0.95)),
        "trousers": _fabric(rng, PLAIN_CLOTHS, saturation=(0.0, 0.5), value=(0.06, 0.6)),
        "shoes": _even(colour(rng, (0.0, 0.5), (0.03, 0.9)), roughness=0.4),
        "hair": _even(hair, roughness=0.6, size=0.02, relief=0.5),
        "scalp": _even(skin if bald else hair, roughness=0.6, size=0.02, relief=0.1 if bald else 0.5),
        "whites": _even((0.6, 0.56, 0.54), roughness=0.3),
        "irises": _even(_brown(rng, (0.3, 0.8), (0.03, 0.25)) if rng.uniform() < 0.7 else (0.03, 0.07, 0.1), 0.15),
        "lips": _even((0.8 * skin[0], 0.42 * skin[1], 0.42 * skin[2]), roughness=0.4),
        "hat": _fabric(rng, PLAIN_CLOTHS, saturation=(0.0, 0.8), value=(0.05, 0.9)),
    }


def _fabric(
    rng: np.random.Generator,
    patterns: dict[Pattern, float],
    saturation: tuple[float, float],
    value: tuple[float, float],
) -> Material:
    """Two tones of a colour; two colours where the pattern lives of it."""
    pattern: Pattern = list(patterns)[int(rng.choice(len(patterns), p=list(patterns.values())))]
    base, shade = colour(rng, saturation, value), rng.uniform(0.45, 0.75)
    other = (
        colour(rng, (0.0, 0.6), (0.05, 0.95)) if pattern in ("stripes", "checker") else tuple(shade * c for c in base)
    )
    return Material(
        pattern=pattern,
        colours=(base, (other[0], other[1], other[2])),
        size=rng.uniform(0.05, 0.16),
        roughness=rng.uniform(0.7, 0.95),
        relief=rng.uniform(0.05, 0.3),
    )


def _grey(rng: np.random.Generator) -> Rgb:
    tone = rng.uniform(0.15, 0.6)
    return tone, 0.97 * tone, 0.93 * tone


def _brown(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Rgb:
    return linear(colorsys.hsv_to_rgb(rng.uniform(0.045, 0.085), rng.uniform(*saturation), rng.uniform(*value)))


def _even(base: Rgb, roughness: float, size: float = 0.15, relief: float = 0.03) -> Material:
    darker = (base[0] * 0.8, base[1] * 0.78, base[2] * 0.76)
    return Material(pattern="noise", colours=(darker, base), size=size, roughness=roughness, relief=relief)
