"""One clip from a family, a seed and an index: the whole pipeline, run inside a worker process.

Importing this file costs nothing; Blender and PyBullet, which are globals of a process, come in with the first clip.
"""

import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Int32

from generation import choice, families
from generation.gate import refusal
from generation.glass import glazed
from generation.library import open_library
from generation.optics import focus
from generation.scene import Body, Joint, Optics, Scene, physics, surfaces
from vdpm.clip import Clip

GENERATOR_VERSION = 6
"""Raised whenever a change alters the bytes of a clip."""
ATTEMPTS = 20
"""Scenes drawn for a clip before it counts as failed."""


class NoScene(RuntimeError):
    """None of the scenes drawn for a clip will do."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that, with a clip's family and index, decide its bytes."""

    seed: int
    resolution: tuple[int, int]
    """(width, height) in pixels."""
    frames: int
    samples: int
    """Light paths per pixel."""
    motion_blur: float = 0.0
    """Share of the time between frames for which the shutter is open; 0 = an instant. Changes RGB only."""
    depth_of_field: float | None = None
    """f-number of the lens; None = a pinhole. Changes RGB only."""
    device: str = "cpu"
    """What renders: a name of `generation.devices`, but for auto."""
    engine: str = "cycles"
    """One of `generation.devices.ENGINES`."""
    assets: str | None = None
    """A library to draw from (`generation.library`); None = what comes with the packages."""
    split: choice.Split = "all"
    """Side of the split of assets."""
    subpixels: int = 1
    """Images are rendered and denoised at so many times the width and height, then filtered down. Changes RGB only."""
    glass: float = 0.0
    """Share of the things that are of glass. Changes RGB only: truth is that of the first surface met."""
    neighbours: int = 0
    """Frames before and after each that it shares light with. Changes RGB only."""
    fine: int = 2
    """How sub-pixels are rendered and share light: to be raised when that changes bytes. Clips without any do not say it."""

    def facts(self) -> dict[str, Any]:
        """What clips and their folder say of it. Without sub-pixels, glass or neighbours nothing of them: the bytes of before
        there were any stay."""
        fine = self.subpixels > 1
        there = {"subpixels": fine, "glass": self.glass > 0, "neighbours": self.neighbours > 0, "fine": fine}
        return {name: value for name, value in asdict(self).items() if there.get(name, True)}


def clip_name(family: str, index: int, recipe: Recipe) -> str:
    """family-seed-index: unique within a resolution and length, without dots, sorted as the indices are."""
    return f"{family}-{recipe.seed}-{index:08d}"


def make_clip(
    family: str,
    index: int,
    recipe: Recipe,
    skipped: Mapping[int, str] = MappingProxyType({}),
    on_attempt: Callable[[int], None] = lambda attempt: None,
) -> Clip:
    """The first clip of a fixed series that can be placed, is worth rendering, and passes every check of its truth.

    The same arguments give the same clip, whatever ran before. `skipped` are draws that crashed or took too long, by
    their place in the series, and why: they count as refused. `on_attempt` hears of every draw before it is tried.

    Raises:
        NoScene: none of `ATTEMPTS` will do.
    """
    refused: list[str] = []
    with tempfile.TemporaryDirectory(prefix="clip-") as folder:
        while len(refused) < ATTEMPTS:
            if reason := skipped.get(len(refused)):
                refused.append(reason)
                continue
            on_attempt(len(refused))
            try:
                clip = _attempt(family, index, recipe, Path(folder), refused)
                clip.meta["substituted"] = {str(attempt): reason for attempt, reason in sorted(skipped.items())}
                return clip
            except RuntimeError as reason:
                refused.append(str(reason))
    raise NoScene(f"{family} {index}: none of {ATTEMPTS} scenes will do; the last: {refused[-1]}")


def _attempt(family: str, index: int, recipe: Recipe, folder: Path, refused: list[str]) -> Clip:
    """Sample, simulate, ray cast, render and check. A `RuntimeError` says why not; Kubric raises it for want of room."""
    from generation.renderer import render
    from vdpm.raycast import triangles_seen
    from vdpm.verify import problems

    rng = np.random.default_rng([recipe.seed, index, zlib.crc32(family.encode()), len(refused)])
    scratch = folder / f"attempt_{len(refused)}"
    scratch.mkdir()
    with choice.using(recipe.split, open_library(recipe.assets) if recipe.assets else None):
        scene = families.load(family)(rng, recipe.frames, recipe.resolution, scratch)
    width, height = recipe.resolution
    triangle = triangles_seen(surfaces(scene), scene.cameras, height, width)
    if reason := refusal(scene, triangle):
        raise RuntimeError(reason)
    scene = with_optics(scene, recipe, triangle)
    scene = glazed(scene, recipe.glass, np.random.default_rng([recipe.seed, index, len(refused), zlib.crc32(b"glass")]))
    clip = Clip(
        name=clip_name(family, index, recipe),
        rgb=render(scene, recipe.samples, scratch, recipe.device, recipe.engine, recipe.subpixels, recipe.neighbours),
        triangle=triangle,
        cameras=scene.cameras,
        surfaces=surfaces(scene),
        meta=_meta(scene, recipe, index, refused),
        physics=physics(scene),
    )
    if wrong := problems(clip):
        raise RuntimeError("; ".join(wrong))
    return clip


def with_optics(scene: Scene, recipe: Recipe, triangle: Int32[np.ndarray, "T H W"]) -> Scene:
    """The scene seen through the lens and the shutter that the recipe asks for. Drawn after everything else: nothing but
    the images depends on it."""
    sharp = None if recipe.depth_of_field is None else focus(scene, triangle)
    return replace(scene, optics=Optics(shutter=recipe.motion_blur, f_stop=recipe.depth_of_field, focus=sharp))


def _meta(scene: Scene, recipe: Recipe, index: int, refused: list[str]) -> dict[str, Any]:
    """Provenance of a clip: what it was made from, with what, and under which licences."""
    from generation.devices import describe

    packages = ("bpy", "kubric-nightly", "pybullet", "embreex", "trimesh", "numpy")
    return {
        "family": scene.family,
        "index": index,
        "refused": list(refused),
        **recipe.facts(),
        "frame_rate": scene.frame_rate,
        "bodies": [_body_meta(body) for body in scene.bodies],
        "joints": [_joint_meta(body, joint) for body in scene.bodies for joint in body.joints],
        "light": {**asdict(scene.light), "hdri": scene.light.hdri.name},
        "generator_version": GENERATOR_VERSION,
        "packages": {name: version(name) for name in packages},
        "renderer": describe(recipe.device, recipe.engine),
        "conventions": CONVENTIONS,
    }


def _body_meta(body: Body) -> dict[str, Any]:
    return {
        "name": body.name,
        "asset": body.asset.id,
        "licence": body.asset.licence,
        "material": body.material.pattern,
        "object": body.group or body.name,
        "scale": body.asset.scale,
        **({"asset_sha256": body.asset.sha256} if body.asset.sha256 else {}),
        **body.facts,
    }


def _joint_meta(body: Body, joint: Joint) -> dict[str, Any]:
    """Limits that are not there are null, for JSON has no infinity."""
    limits = {end: getattr(joint, end) for end in ("lower", "upper")}
    return {
        "object": body.group or body.name,
        "name": joint.name,
        "kind": joint.kind,
        **{end: limit if np.isfinite(limit) else None for end, limit in limits.items()},
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
