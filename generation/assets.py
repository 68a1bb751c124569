"""The catalogue of what ships with the dependencies: shapes and environment maps, each with its licence.

Nothing here needs the network. `draw` picks an asset, `floor` makes the ground, `hdris` lists the lights.
"""

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from generation import choice
from generation.convex import covering, groups, middle, sectors
from generation.library import Library
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
CONVEX = {"duck": "duck_vhacd.obj", "teddy": "teddy2_VHACD_CHs.obj", "mug": "objects/mug_col.obj"}
"""Name -> the convex pieces of those that are hollow or have limbs; their files come with them."""
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
    """A random asset whose largest extent is `size` metres, of the library in use if there is one, on the side of the
    split that is in use (`generation.choice`)."""
    own = choice.library()
    asset = _of_library(rng, own) if own and own.things else _of_packages(rng)
    pieces = tuple(corners * np.float32(size) for corners in asset.pieces)
    return replace(asset, mesh=scaled(asset.mesh, size), pieces=pieces, scale=size)


def _of_library(rng: np.random.Generator, own: Library) -> Asset:
    from generation import models

    entries = {entry.id: entry for entry in own.things}
    return models.model(entries[str(rng.choice(choice.among(list(entries))))])


def _of_packages(rng: np.random.Generator) -> Asset:
    """Drawn again until it is on the right side."""
    while True:
        kind = rng.choice(list(KINDS), p=list(KINDS.values()))
        if kind == "random":
            asset_id = f"pybullet/random/{int(rng.integers(RANDOM_OBJECTS)):03d}"
        elif kind == "model":
            asset_id = f"pybullet/{rng.choice(list(MODELS))}"
        else:
            asset_id = f"procedural/{rng.choice(list(SHAPES))}/{int(rng.integers(2**31))}"
        if choice.allowed(asset_id):
            return by_id(asset_id)


def by_id(asset_id: str) -> Asset:
    """One of the shapes that come with the packages, 1 m large."""
    source, name, *number = asset_id.split("/")
    if source == "procedural":
        return procedural(name, int(number[0]))
    return random_object(int(number[0])) if name == "random" else model(name)


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
    uv = np.asarray(visual.uv, np.float32) if texture else None
    image = package_folder("pybullet_data") / texture if texture else None
    parts = groups(package_folder("pybullet_data") / CONVEX[name]) if name in CONVEX else ()
    parts = covering(np.asarray(mesh.vertices), parts)
    centre, size = middle(np.asarray(mesh.vertices), parts), mesh.extents.max()
    return Asset(
        id=f"pybullet/{name}",
        mesh=replace(centred(mesh, uv), vertices=((mesh.vertices - centre) / size).astype(np.float32)),
        licence=licence,
        texture=image,
        pieces=tuple(((part - centre) / size).astype(np.float32) for part in parts),
    )


def procedural(shape: str, seed: int) -> Asset:
    """A procedural shape, 1 m large; the seed fixes its proportions."""
    mesh = SHAPES[shape](np.random.default_rng(seed))
    collision = "sphere" if shape == "sphere" else "box" if shape == "box" else "hull"
    solid = centred(mesh)
    pieces = sectors(solid.vertices, 12) if shape == "torus" else ()
    return Asset(id=f"procedural/{shape}/{seed}", mesh=solid, licence=OURS, collision=collision, pieces=pieces)


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


def environments() -> list[tuple[Path, str]]:
    """Environment maps to light scenes with, and their licences: of the library in use if it has any, else Blender's."""
    own = choice.library()
    if own and own.lights:
        from generation import models

        kept = choice.among([entry.id for entry in own.lights])
        return [(models.picture(entry), entry.licence) for entry in own.lights if entry.id in kept]
    kept = choice.among([path.stem for path in hdris()])
    return [(path, HDRI_LICENCE) for path in hdris() if path.stem in kept]


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
