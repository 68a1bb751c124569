"""Random procedural materials. Colours are drawn in HSV as people name them and handed on in linear RGB."""

import colorsys

import numpy as np

from generation.scene import Asset, Material, Pattern, Rgb

OBJECT_PATTERNS: dict[Pattern, float] = {
    "plain": 0.20, "noise": 0.18, "marble": 0.14, "wood": 0.14, "checker": 0.08, "stripes": 0.08, "cells": 0.10,
    "weave": 0.08,
}  # fmt: skip
FABRIC_PATTERNS: dict[Pattern, float] = {"weave": 0.4, "stripes": 0.2, "checker": 0.15, "noise": 0.15, "cells": 0.1}
PICTURE_PATTERNS: dict[Pattern, float] = {"noise": 0.3, "cells": 0.25, "marble": 0.25, "stripes": 0.1, "checker": 0.1}
FLOOR_PATTERNS: dict[Pattern, float] = {"tiles": 0.25, "wood": 0.2, "noise": 0.25, "marble": 0.15, "cells": 0.15}


def linear(srgb: tuple[float, float, float]) -> Rgb:
    """Linear RGB of an sRGB colour (IEC 61966-2-1)."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in srgb)
    return r, g, b


def colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Rgb:
    """A colour of any hue with saturation and value from ranges."""
    return linear(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)))


def _choose(rng: np.random.Generator, patterns: dict[Pattern, float]) -> Pattern:
    names = list(patterns)
    weights = np.array(list(patterns.values()))
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def _offset(rng: np.random.Generator) -> tuple[float, float, float]:
    x, y, z = rng.uniform(-50, 50, size=3).tolist()
    return x, y, z


def for_object(rng: np.random.Generator, asset: Asset) -> Material:
    """A material for a thing: its own texture if it has one, else a pattern sized to the thing; one in six is metal."""
    extent = float(np.ptp(asset.mesh.vertices, axis=0).max())
    if asset.texture is not None:
        return Material(
            pattern="image",
            colours=((1.0, 1.0, 1.0),) * 2,
            size=1.0,
            image=asset.texture,
            roughness=rng.uniform(0.2, 0.6),
        )
    metal = rng.uniform() < 1 / 6
    base = colour(rng, (0.0, 0.35) if metal else (0.3, 0.9), (0.5, 0.95))
    other = colour(rng, (0.0, 0.8), (0.1, 0.95))
    return Material(
        pattern=_choose(rng, OBJECT_PATTERNS),
        colours=(base, other),
        size=extent * rng.uniform(0.12, 0.4),
        offset=_offset(rng),
        roughness=rng.uniform(0.12, 0.4) if metal else rng.uniform(0.25, 0.9),
        metallic=float(metal),
        relief=rng.uniform(0.0, 0.35),
    )


def paint(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Material:
    """A painted or plastered surface: one colour, barely uneven; for walls, furniture, cars."""
    base = colour(rng, saturation, value)
    return Material(
        pattern="plain",
        colours=(base, (base[0] * 0.75, base[1] * 0.75, base[2] * 0.75)),
        size=0.6,
        offset=_offset(rng),
        roughness=rng.uniform(0.15, 0.8),
        relief=0.05,
    )


def timber(rng: np.random.Generator) -> Material:
    """Wood in browns from ash to walnut."""
    tone = rng.uniform(0.25, 0.85)
    light = linear(colorsys.hsv_to_rgb(rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.7), tone))
    return Material(
        pattern="wood",
        colours=(light, (light[0] * 0.55, light[1] * 0.5, light[2] * 0.45)),
        size=rng.uniform(0.15, 0.4),
        offset=_offset(rng),
        roughness=rng.uniform(0.3, 0.7),
        relief=0.1,
    )


def masonry(rng: np.random.Generator) -> Material:
    """Plaster, stone, brick or concrete of a house: greys, creams, ochres and brick reds."""
    base = linear(colorsys.hsv_to_rgb(rng.uniform(0.01, 0.14), rng.uniform(0.05, 0.55), rng.uniform(0.5, 0.95)))
    return Material(
        pattern="noise",
        colours=(base, (base[0] * 0.8, base[1] * 0.8, base[2] * 0.8)),
        size=rng.uniform(0.4, 2.0),
        offset=_offset(rng),
        roughness=0.9,
        relief=0.3,
    )


def uniform(grey: float, roughness: float) -> Material:
    """One grey all over: asphalt, glass panes, rubber, road paint."""
    return Material(
        pattern="plain",
        colours=((grey, grey, grey), (grey * 0.7, grey * 0.7, grey * 0.7)),
        size=0.3,
        roughness=roughness,
    )


def carpet(rng: np.random.Generator) -> Material:
    """A woven fabric of two colours, for rugs and curtains."""
    base, other = (colour(rng, (0.1, 0.8), (0.2, 0.9)) for _ in range(2))
    return Material(
        pattern=_choose(rng, FABRIC_PATTERNS),
        colours=(base, other),
        size=rng.uniform(0.08, 0.5),
        offset=_offset(rng),
        roughness=0.95,
        relief=0.3,
    )


def painting(rng: np.random.Generator, extent: float) -> Material:
    """Any pattern in three colours, with repeats of 0.2 to 0.8 of an extent in metres: pictures, rows of books."""
    return Material(
        pattern=_choose(rng, PICTURE_PATTERNS),
        colours=tuple(colour(rng, (0.0, 0.9), (0.05, 0.95)) for _ in range(3)),
        size=extent * rng.uniform(0.2, 0.8),
        offset=_offset(rng),
        roughness=rng.uniform(0.3, 0.9),
        relief=0.05,
    )


def steel(rng: np.random.Generator) -> Material:
    """Brushed metal, from grey to brass."""
    base = linear(colorsys.hsv_to_rgb(0.1, rng.uniform(0.0, 0.5), rng.uniform(0.6, 0.9)))
    return Material(pattern="plain", colours=(base, base), size=0.1, roughness=rng.uniform(0.2, 0.4), metallic=1.0)


def leaves(rng: np.random.Generator) -> Material:
    """The green of a crown."""
    base = linear(colorsys.hsv_to_rgb(rng.uniform(0.2, 0.36), rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.6)))
    return Material(
        pattern="cells", colours=((base[0] * 0.4, base[1] * 0.4, base[2] * 0.4), base), size=0.3, relief=0.8
    )


def for_floor(rng: np.random.Generator) -> Material:
    """A muted material for the ground with repeats of 0.5 to 2 m."""
    base = colour(rng, (0.05, 0.45), (0.35, 0.8))
    factor = rng.uniform(0.35, 0.75)
    darker = (base[0] * factor, base[1] * factor, base[2] * factor)
    return Material(
        pattern=_choose(rng, FLOOR_PATTERNS),
        colours=(base, darker),
        size=rng.uniform(0.5, 2.0),
        offset=_offset(rng),
        roughness=rng.uniform(0.35, 0.9),
        relief=rng.uniform(0.1, 0.5),
    )
