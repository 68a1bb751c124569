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
from jaxtyping import Int32

from generation import families
from generation.check import refusal
from generation.scene import Body, Scene, surfaces
from vdpm.clip import Clip

GENERATOR_VERSION = 1
"""Raised whenever a change alters the bytes of a clip."""
ATTEMPTS = 20
"""Scenes drawn for a clip before it counts as failed."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that, with a clip's family and index, decide its bytes."""

    seed: int
    resolution: tuple[int, int]
    """(width, height) in pixels."""
    frames: int
    samples: int
    """Light paths per pixel."""


def clip_name(family: str, index: int, recipe: Recipe) -> str:
    """family-seed-index: unique within a resolution and length, without dots, sorted as the indices are."""
    return f"{family}-{recipe.seed}-{index:08d}"


def make_clip(family: str, index: int, recipe: Recipe) -> Clip:
    """Sample, simulate, ray cast and render one clip. The same arguments give the same clip, whatever ran before."""
    from generation.renderer import render

    with tempfile.TemporaryDirectory(prefix="clip-") as folder:
        drawn = _draw(family, index, recipe, Path(folder))
        return Clip(
            name=clip_name(family, index, recipe),
            rgb=render(drawn.scene, recipe.samples, Path(folder)),
            triangle=drawn.triangle,
            cameras=drawn.scene.cameras,
            surfaces=surfaces(drawn.scene),
            meta=_meta(drawn, recipe, index),
        )


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    scene: Scene
    triangle: Int32[np.ndarray, "T H W"]
    refused: tuple[str, ...]
    """Why the scenes before it in the series were not taken."""


def _draw(family: str, index: int, recipe: Recipe, folder: Path) -> _Drawn:
    """The first scene of a fixed series that can be placed and is worth rendering."""
    from vdpm.raycast import triangles_seen

    sample, (width, height) = families.load(family), recipe.resolution
    refused: list[str] = []
    while len(refused) < ATTEMPTS:
        rng = np.random.default_rng([recipe.seed, index, zlib.crc32(family.encode()), len(refused)])
        scratch = folder / f"attempt_{len(refused)}"
        scratch.mkdir()
        try:
            scene = sample(rng, recipe.frames, recipe.resolution, scratch)
        except RuntimeError as error:  # no room for a thing, no free path for the camera
            refused.append(str(error))
            continue
        triangle = triangles_seen(surfaces(scene), scene.cameras, height, width)
        reason = refusal(scene, triangle)
        if reason is None:
            return _Drawn(scene=scene, triangle=triangle, refused=tuple(refused))
        refused.append(reason)
    raise RuntimeError(f"{family} {index}: none of {ATTEMPTS} scenes will do; the last: {refused[-1]}")


def _meta(drawn: _Drawn, recipe: Recipe, index: int) -> dict[str, Any]:
    """Provenance of a clip: what it was made from, with what, and under which licences."""
    from generation.assets import HDRI_LICENCE

    scene = drawn.scene
    packages = ("bpy", "kubric-nightly", "pybullet", "embreex", "trimesh", "numpy")
    return {
        "family": scene.family,
        "index": index,
        "refused": list(drawn.refused),
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
