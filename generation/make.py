"""One clip from a family, a seed and an index: the whole pipeline, run inside a worker process.

Importing this file costs nothing; Blender and PyBullet, which are globals of a process, come in with the first clip.
"""

import tempfile
import zlib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from generation import families
from generation.scene import Body, Scene, surfaces
from vdpm.clip import Clip

GENERATOR_VERSION = 1
"""Raised whenever a change alters the bytes of a clip."""
ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that, with a clip's family and index, decide its bytes."""

    seed: int
    resolution: tuple[int, int]
    """(width, height) in pixels."""
    frames: int
    samples: int
    """Light paths per pixel."""


def clip_name(family: str, recipe: Recipe, index: int) -> str:
    """family-seed-index: unique within a resolution and length, without dots, sorted as the indices are."""
    return f"{family}-{recipe.seed}-{index:08d}"


def make_clip(family: str, recipe: Recipe, index: int) -> Clip:
    """Sample, simulate, ray cast and render one clip. The same arguments give the same clip, whatever ran before."""
    from generation.raycast import triangles_seen
    from generation.renderer import render

    with tempfile.TemporaryDirectory(prefix="clip-") as folder:
        scene, attempt = _sample(family, recipe, index, Path(folder))
        width, height = recipe.resolution
        return Clip(
            name=clip_name(family, recipe, index),
            rgb=render(scene, recipe.samples, Path(folder)),
            triangle=triangles_seen(surfaces(scene), scene.cameras, height, width),
            cameras=scene.cameras,
            surfaces=surfaces(scene),
            meta=_meta(scene, recipe, index, attempt),
        )


def _sample(family: str, recipe: Recipe, index: int, folder: Path) -> tuple[Scene, int]:
    """The first scene of a fixed series that can be placed, and which one that was."""
    sample = families.load(family)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([recipe.seed, index, zlib.crc32(family.encode()), attempt])
        scratch = folder / f"attempt_{attempt}"
        scratch.mkdir()
        try:
            return sample(rng, recipe.frames, recipe.resolution, scratch), attempt
        except RuntimeError as error:  # no room for a thing, no free path for the camera
            reason = error
    raise RuntimeError(f"{family} {index}: none of {ATTEMPTS} scenes could be placed; the last: {reason}")


def _meta(scene: Scene, recipe: Recipe, index: int, attempt: int) -> dict[str, Any]:
    """Provenance of a clip: what it was made from, with what, and under which licences."""
    from generation.assets import HDRI_LICENCE

    packages = ("bpy", "kubric-nightly", "pybullet", "embreex", "trimesh", "numpy")
    return {
        "family": scene.family,
        "index": index,
        "attempt": attempt,
        **asdict(recipe),
        "frame_rate": scene.frame_rate,
        "bodies": [_body_meta(body) for body in scene.bodies],
        "light": {**asdict(scene.light), "hdri": scene.light.hdri.name, "licence": HDRI_LICENCE},
        "generator_version": GENERATOR_VERSION,
        "packages": {name: version(name) for name in packages},
        "renderer": "Cycles, CPU",
        "conventions": CONVENTIONS,
    }


def _body_meta(body: Body) -> dict[str, Any]:
    return {
        "name": body.name,
        "asset": body.asset.id,
        "licence": body.asset.licence,
        "material": body.material.pattern,
        **body.facts,
    }


CONVENTIONS = {
    "camera_axes": "opencv: +x right, +y down, +z forward",
    "pixel_origin": "top-left corner; first centre at (0.5, 0.5)",
    "depth": "z",
    "poses": "world_from_camera, world_from_body",
    "units": "metres, radians, seconds, kilograms",
    "world": "right-handed, +z up",
    "triangle": "index into faces, -1 = nothing",
    "colour": "8-bit sRGB",
}
"""`vdpm.clip`, for machines."""
