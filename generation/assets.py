"""The catalogue of what ships with the dependencies: shapes and environment maps, each with its licence.

Nothing here needs the network. `draw` picks an asset, `floor` makes the ground, `hdris` lists the lights.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from generation.scene import Asset, Mesh
from generation.shapes import SHAPES, centred, scaled

OURS = "CC0-1.0 (procedural)"
BULLET = "Zlib (pybullet_data)"

MODELS: dict[str, tuple[str, str | None, str]] = {
    "duck": ("duck.obj", "duckCM.png", "SCEA-1.0 (pybullet_data; model by Sony Computer Entertainment)"),
    "soccer_ball": ("soccerball.obj", "colors16.png", BULLET),
    "teddy": ("teddy2_VHACD_CHs.obj", None, BULLET),
    "lego": ("lego/lego.obj", None, BULLET),
    "mug": ("objects/mug.obj", None, BULLET),
    "domino": ("domino/domino.obj", "domino/domino.jpg", BULLET),
}
"""Name -> mesh, texture and licence of the single models in pybullet_data."""
RANDOM_OBJECTS = 1000
KINDS = {"random": 0.45, "procedural": 0.35, "model": 0.20}
"""How often each kind of asset is drawn."""


def package_folder(name: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed: pip install -e '.[generation]'")
    return Path(spec.origin).parent


def draw(rng: np.random.Generator, size: float) -> Asset:
    """A random asset whose largest extent is `size` metres."""
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    if kind == "random":
        asset = random_object(int(rng.integers(RANDOM_OBJECTS)))
    elif kind == "model":
        asset = model(str(rng.choice(list(MODELS))))
    else:
        asset = procedural(str(rng.choice(list(SHAPES))), int(rng.integers(2**31)))
    return Asset(
        id=asset.id,
        mesh=scaled(asset.mesh, size),
        licence=asset.licence,
        collision=asset.collision,
        texture=asset.texture,
        scale=size,
    )


def random_object(number: int) -> Asset:
    """One of the 1000 random objects of pybullet_data, 1 m large."""
    mesh = _load(f"random_urdfs/{number:03d}/{number:03d}.obj")
    return Asset(id=f"pybullet/random/{number:03d}", mesh=centred(mesh, smooth=False), licence=BULLET)


@cache
def model(name: str) -> Asset:
    """One of `MODELS`, 1 m large."""
    path, texture, licence = MODELS[name]
    mesh = _load(path)
    visual: Any = mesh.visual
    uv = np.asarray(visual.uv) if texture else None
    image = package_folder("pybullet_data") / texture if texture else None
    return Asset(id=f"pybullet/{name}", mesh=centred(mesh, uv), licence=licence, texture=image)


def procedural(shape: str, seed: int) -> Asset:
    """A procedural shape, 1 m large; the seed fixes its proportions."""
    mesh = SHAPES[shape](np.random.default_rng(seed))
    collision = "sphere" if shape == "sphere" else "box" if shape == "box" else "hull"
    return Asset(id=f"procedural/{shape}/{seed}", mesh=centred(mesh), licence=OURS, collision=collision)


def floor(half_width: float) -> Asset:
    """A square of ground at z = 0, in cells of about 5 m so that no triangle is extremely long."""
    cells = max(1, round(2 * half_width / 5.0))
    ticks = np.linspace(-half_width, half_width, cells + 1)
    x, y = np.meshgrid(ticks, ticks, indexing="ij")
    corner = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    vertices = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    mesh = Mesh(vertices=vertices.astype(np.float32), faces=faces.astype(np.int32), smooth=False)
    return Asset(id=f"procedural/floor/{half_width:g}", mesh=mesh, licence=OURS, collision="box")


@cache
def hdris() -> tuple[Path, ...]:
    """Blender's environment maps (Poly Haven, CC0-1.0), sorted by name."""
    found = sorted(package_folder("bpy").glob("*/datafiles/studiolights/world/*.exr"))
    if not found:
        raise FileNotFoundError("no environment maps beside bpy: reinstall it with pip install -e '.[generation]'")
    return tuple(found)


HDRI_LICENCE = "CC0-1.0 (Poly Haven, by Greg Zaal; shipped with Blender)"


@cache
def _load(path: str) -> trimesh.Trimesh:
    return trimesh.load(package_folder("pybullet_data") / path, force="mesh", process=False)  # type: ignore[return-value]
