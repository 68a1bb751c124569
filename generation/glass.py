"""Things of glass: they change what is seen, and nothing of the truth, which is that of the first surface met."""

from dataclasses import replace

import numpy as np

from generation.materials import colour
from generation.scene import Body, Material, Scene

ROLES = ("resting", "tossed", "thing", "creature", "soft")
"""Of what may be of glass: whole things, no grounds, walls, cloths, people or machines."""


def glazed(scene: Scene, share: float, rng: np.random.Generator) -> Scene:
    """The scene with a share of its things turned to glass; all else stays as it is."""
    if not share:
        return scene
    return replace(scene, bodies=tuple(_glazed(body, share, rng) for body in scene.bodies))


def _glazed(body: Body, share: float, rng: np.random.Generator) -> Body:
    chosen, look = rng.uniform() < share, glass(rng)
    return replace(body, material=look) if chosen and body.facts.get("role") in ROLES else body


def glass(rng: np.random.Generator) -> Material:
    """Clear or a little tinted, polished or a little frosted."""
    tint = colour(rng, (0.0, 0.35), (0.9, 1.0))
    return Material(pattern="glass", colours=(tint, tint), size=1.0, roughness=rng.uniform(0.0, 0.15) ** 2)
