"""What a robot looks like: the visual shapes of a URDF file, link by link."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float64

from generation.scene import Mesh, Rgb
from vdpm.geometry import rigid, transform

FINEST_METRES = 1e-5
"""Vertices closer than this are one: STL files repeat them for every triangle."""
MOST_TRIANGLES = 5000
GRAINS = 90
"""A shape of more triangles, as CAD files have, has its vertices merged in cells of this fraction of its size."""
UV_CELLS = 64


@dataclass(frozen=True, kw_only=True)
class Visual:
    """One shape of a link, in the link's frame, metres."""

    link: str
    mesh: Mesh
    colour: Rgb | None
    """As the file says, which is sRGB; None if it does not."""
    texture: Path | None


def visuals(path: Path) -> tuple[Visual, ...]:
    """All visual shapes of a URDF file, in its order."""
    root = ElementTree.fromstring(path.read_bytes().rstrip(b"\0"))
    named = {m.get("name"): m for m in root.findall("material")}
    return tuple(
        _visual(path.parent, str(link.get("name")), visual, named)
        for link in root.findall("link")
        for visual in link.findall("visual")
        if visual.find("geometry/sphere[@radius='0.0']") is None  # which stands for nothing
    )


def _visual(
    folder: Path, link: str, visual: ElementTree.Element, named: dict[str | None, ElementTree.Element]
) -> Visual:
    mesh, texture = _shape(folder, _child(_child(visual, "geometry"), None))
    material = visual.find("material")
    if material is not None and material.find("color") is None:
        material = named.get(material.get("name"))
    colour = None if material is None else material.find("color")
    return Visual(
        link=link,
        mesh=_placed(mesh, visual.find("origin"), textured=texture is not None),
        colour=None if colour is None else _rgb(colour),
        texture=texture,
    )


def _shape(folder: Path, shape: ElementTree.Element) -> tuple[trimesh.Trimesh, Path | None]:
    """A mesh and, if it has one, its picture."""
    if shape.tag == "box":
        return trimesh.creation.box(extents=_numbers(shape, "size", "")), None
    if shape.tag == "sphere":
        return trimesh.creation.icosphere(subdivisions=3, radius=float(shape.get("radius", ""))), None
    if shape.tag in ("cylinder", "capsule"):
        make = trimesh.creation.cylinder if shape.tag == "cylinder" else _capsule
        return make(radius=float(shape.get("radius", "")), height=float(shape.get("length", ""))), None
    file = folder / str(shape.get("filename")).removeprefix("package://")
    mesh: trimesh.Trimesh = trimesh.load(file, force="mesh", process=False)  # type: ignore[assignment]
    mesh.apply_scale(_numbers(shape, "scale", "1 1 1"))
    return mesh, _picture(file)


def _capsule(radius: float, height: float) -> trimesh.Trimesh:
    return trimesh.creation.capsule(height=height, radius=radius, count=[16, 24])


def _picture(file: Path) -> Path | None:
    """The picture that the material file beside an OBJ file names."""
    library = file.with_suffix(".mtl")
    if file.suffix.lower() != ".obj" or not library.exists():
        return None
    names = [row.split()[-1] for row in library.read_text(errors="replace").splitlines() if row.startswith("map_Kd")]
    return next((file.parent / name for name in names if (file.parent / name).exists()), None)


def _placed(mesh: trimesh.Trimesh, origin: ElementTree.Element | None, textured: bool) -> Mesh:
    """A shape in the frame of its link, vertices merged; without a texture it has no use for uv."""
    uv = np.asarray(mesh.visual.uv) if textured else np.zeros((len(mesh.vertices), 2))  # type: ignore[attr-defined]
    coarse = len(mesh.faces) > MOST_TRIANGLES
    vertices, uv, faces = _merged(
        np.asarray(mesh.vertices), uv, mesh.faces, mesh.extents.max() / GRAINS if coarse else FINEST_METRES
    )
    return Mesh(
        vertices=transform(_pose(origin), vertices).astype(np.float32),
        faces=faces.astype(np.int32),
        uv=uv.astype(np.float32) if textured else None,
    )


def _merged(
    vertices: np.ndarray, uv: np.ndarray, faces: np.ndarray, grain: float
) -> tuple[Float64[np.ndarray, "V 3"], Float64[np.ndarray, "V 2"], np.ndarray]:
    """A mesh whose vertices that share a cell of a grid, and about a uv, have become their mean."""
    keys = np.concatenate([np.floor(vertices / grain), np.round(uv * UV_CELLS)], axis=1).astype(np.int64)
    _, merged = np.unique(keys, axis=0, return_inverse=True)
    merged = merged.reshape(-1)
    total = np.stack([np.bincount(merged, column) for column in (*vertices.T, *uv.T)], axis=1)
    mean = total / np.bincount(merged)[:, None]
    faces = merged[faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    used, faces = np.unique(np.unique(faces[whole], axis=0), return_inverse=True)
    return mean[used, :3], mean[used, 3:], faces.reshape(-1, 3)


def _pose(origin: ElementTree.Element | None) -> Float64[np.ndarray, "4 4"]:
    if origin is None:
        return np.eye(4)
    turn = trimesh.transformations.euler_matrix(*_numbers(origin, "rpy", "0 0 0"), axes="sxyz")
    return rigid(turn[:3, :3], np.array(_numbers(origin, "xyz", "0 0 0")))


def _rgb(colour: ElementTree.Element) -> Rgb:
    red, green, blue, _ = _numbers(colour, "rgba", "")
    return red, green, blue


def _numbers(element: ElementTree.Element, name: str, default: str) -> tuple[float, ...]:
    return tuple(float(number) for number in element.get(name, default).split())


def _child(element: ElementTree.Element, name: str | None) -> ElementTree.Element:
    found = element.find(name) if name else next(iter(element), None)
    if found is None:
        raise ValueError(f"<{element.tag}> of a URDF file lacks {name or 'a shape'}")
    return found
