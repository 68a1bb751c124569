"""Collision shapes: a solid as a few convex pieces (CoACD, Wei et al. 2022), or as its hull if that is as good."""

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Float32
from scipy.spatial import ConvexHull

from generation.scene import Asset
from vdpm.errors import UserError

THRESHOLD = 0.08
"""Concavity that a piece may keep, as a share of the solid's size."""
MOST_PIECES = 16
ENOUGH = 0.97
"""A solid that fills this share of its hull collides as its hull."""
TOLERANCE = 1e-6
"""Share of its size by which a solid may look out of what it collides as."""

Corners = Float32[np.ndarray, "P 3"]


def pieces(vertices: Float[np.ndarray, "V 3"], faces: np.ndarray) -> tuple[Corners, ...]:
    """Corners of convex pieces that together are about the solid; none if its hull is as good.

    Raises:
        UserError: the package is not installed.
    """
    solid = trimesh.Trimesh(vertices, faces)
    if solid.is_watertight and solid.volume > ENOUGH * solid.convex_hull.volume:
        return ()
    try:
        import coacd
    except ModuleNotFoundError as error:
        raise UserError("coacd not installed: pip install '.[assets]'") from error
    coacd.set_log_level("error")
    parts = coacd.run_coacd(
        coacd.Mesh(solid.vertices, solid.faces), threshold=THRESHOLD, max_convex_hull=MOST_PIECES, seed=0
    )
    return tuple(np.asarray(corners, np.float32) for corners, _ in parts) if len(parts) > 1 else ()


def hulls(asset: Asset) -> list[trimesh.Trimesh]:
    """What an asset collides as: its pieces, or the convex hull of its mesh."""
    return [trimesh.convex.convex_hull(corners) for corners in asset.pieces or (asset.mesh.vertices,)]


def write_obj(path: Path, solids: list[trimesh.Trimesh]) -> None:
    """Solids as one file with a group each: Bullet takes every group for a convex shape of its own."""
    lines: list[str] = []
    first = 1
    for number, solid in enumerate(solids):
        lines += [f"o piece_{number}", *(f"v {x!r} {y!r} {z!r}" for x, y, z in solid.vertices.tolist())]
        lines += [f"f {a} {b} {c}" for a, b, c in (solid.faces + first).tolist()]
        first += len(solid.vertices)
    path.write_text("\n".join([*lines, ""]))


def joined(solids: list[trimesh.Trimesh]) -> Any:
    """All solids as one mesh, for their mass and inertia."""
    return solids[0] if len(solids) == 1 else trimesh.util.concatenate(solids)


def covering(vertices: Float[np.ndarray, "V 3"], parts: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Convex parts of a solid, grown until they hold all its vertices: what is shown cannot sink into what they rest on.

    A vertex that is in none goes to the one that it is nearest to, by the distance from the farthest plane.
    """
    if not parts:
        return ()
    planes = [ConvexHull(part).equations for part in parts]
    outside = np.stack([(vertices @ plane[:, :3].T + plane[:, 3]).max(axis=1) for plane in planes])
    nearest, left = outside.argmin(axis=0), outside.min(axis=0) > TOLERANCE * np.ptp(vertices)
    return tuple(np.concatenate([part, vertices[left & (nearest == k)]]) for k, part in enumerate(parts))


def groups(path: Path) -> tuple[np.ndarray, ...]:
    """Corners of the groups of an OBJ file, each of which is convex."""
    scene: Any = trimesh.load(path, split_object=True, group_material=False, process=False)
    meshes = scene.geometry.values() if isinstance(scene, trimesh.Scene) else [scene]
    return tuple(np.asarray(mesh.vertices) for mesh in meshes)


def sectors(vertices: Float32[np.ndarray, "V 3"], number: int) -> tuple[Corners, ...]:
    """The corners of a ring about z by sectors, those on the cuts in both."""
    at = np.arctan2(vertices[:, 1], vertices[:, 0]) / (2 * np.pi) * number % number
    return tuple(vertices[(at - k + 1e-3) % number <= 1 + 2e-3] for k in range(number))


def middle(vertices: Float[np.ndarray, "V 3"], parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """Centre of mass of what collides: of the parts, or of the hull of the vertices."""
    solids = [trimesh.convex.convex_hull(corners) for corners in parts or (vertices,)]
    volume = np.array([solid.volume for solid in solids])
    return (volume[:, None] * [solid.center_mass for solid in solids]).sum(axis=0) / volume.sum()
