"""From a file of a library to an asset: read, cleaned, taken apart for collisions, and kept for the next time."""

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from generation.convex import covering, groups, middle, pieces
from generation.library import Entry
from generation.manifest import COLLISION, PICTURES, VISUALS, UnreadableAsset, cache_folder, unpacked
from generation.scene import Asset, Mesh
from vdpm.files import replacing

PREPARED = 2
"""Raised when what is kept has to be made again."""
MOST_TRIANGLES = 200_000
LEAST_AREA = 1e-10
"""Of a triangle, as a share of the model's extent squared; what has less is no surface."""
Y_UP = (".glb", ".gltf")
"""glTF says that +y is up; in the other formats nobody says, they are taken as they are, z up."""


@lru_cache(maxsize=64)
def model(entry: Entry) -> Asset:
    """The asset of an entry, 1 m large, its origin at the centre of mass of what collides.

    Raises:
        UnreadableAsset: the file is not a model of triangles.
    """
    kept = cache_folder() / "prepared" / f"{entry.sha256}-{PREPARED}.npz"
    if not kept.exists():
        _prepare(entry, kept)
    with np.load(kept, allow_pickle=False) as arrays:
        content = dict(arrays)
    picture = kept.with_suffix(".png")
    corners, start = content["corners"], content["start"]
    uv = content["uv"] if len(content["uv"]) and picture.exists() else None
    return Asset(
        id=entry.id,
        mesh=Mesh(vertices=content["vertices"], faces=content["faces"], uv=uv),
        licence=entry.licence,
        texture=None if uv is None else picture,
        pieces=tuple(np.split(corners, start[1:-1])) if len(start) > 2 else (),
        sha256=entry.sha256,
    )


def picture(entry: Entry) -> Path:
    """The environment map of an entry, unpacked into the cache.

    Raises:
        UnreadableAsset: there is none in the archive.
    """
    for ending in PICTURES:
        if (found := cache_folder() / "prepared" / f"{entry.sha256}{ending}").exists():
            return found
    with tempfile.TemporaryDirectory() as folder:
        files = unpacked(entry.file, Path(folder))
        maps = [path for path in files.values() if path.suffix.lower() in PICTURES]
        if not maps:
            raise UnreadableAsset(f"{entry.file} holds no environment map ({', '.join(PICTURES)})")
        kept = cache_folder() / "prepared" / f"{entry.sha256}{maps[0].suffix.lower()}"
        with replacing(kept) as out:
            out.write(maps[0].read_bytes())
    return kept


def _prepare(entry: Entry, kept: Path) -> None:
    """Read a model, take it apart, and write both, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        if entry.file.name.endswith(".tar.gz"):
            files = unpacked(entry.file, Path(folder))
            shown = next((files[name] for name in VISUALS if name in files), None)
            if shown is None:
                raise UnreadableAsset(f"{entry.file} holds none of {', '.join(VISUALS)}")
            collides = files.get(COLLISION)
        else:
            shown, collides = entry.file, None
        vertices, faces, uv, image = _read(shown)
        parts = covering(vertices, pieces(vertices, faces) if collides is None else groups(collides))
    centre, size = middle(vertices, parts), np.ptp(vertices, axis=0).max()
    parts = tuple(((part - centre) / size).astype(np.float32) for part in parts)
    if image is not None:
        with replacing(kept.with_suffix(".png")) as out:
            image.convert("RGB").save(out, "PNG")
    with replacing(kept) as out:
        np.savez_compressed(
            out,
            vertices=((vertices - centre) / size).astype(np.float32),
            faces=faces,
            uv=np.zeros((0, 2), np.float32) if uv is None else uv,
            corners=np.concatenate([*parts, np.zeros((0, 3), np.float32)]),
            start=np.cumsum([0, *(len(part) for part in parts)]),
        )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Image.Image | None]:
    """Vertices (V, 3), triangles (F, 3), uv (V, 2) and picture of a model file."""
    try:
        mesh: Any = trimesh.load(path, force="mesh", process=False)
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int32)
    except Exception as error:  # its readers raise a dozen kinds on damaged files
        raise UnreadableAsset(f"cannot read the model {path}: {type(error).__name__}: {error}") from error
    if not 4 <= len(faces) <= MOST_TRIANGLES or not np.isfinite(vertices).all():
        raise UnreadableAsset(
            f"{path} has {len(faces)} triangles; models have 4 to {MOST_TRIANGLES}, with finite vertices"
        )
    if path.suffix.lower() in Y_UP:
        vertices = vertices @ np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    faces = faces[area > LEAST_AREA * np.ptp(vertices, axis=0).max() ** 2]
    uv = getattr(mesh.visual, "uv", None)
    material = getattr(mesh.visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    textured = uv is not None and len(uv) == len(vertices) and isinstance(image, Image.Image)
    return vertices, faces, np.asarray(uv, np.float32) if textured else None, image if textured else None
