"""What a head carries: eyes, brows, a mouth, ears, hair, beards and hats, as small solids that do not bend.

They are placed on the head of `generation.people`, in the frame of the bone that it hangs on: the origin is the top of the
neck, x ahead, y to the left, z up, metres. Made here, of balls, capsules and lathe work; no two people need be alike.
"""

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float64

from generation import people
from generation.implicit import Capsule, capsule_distance, melted, mesh_of
from generation.scene import Mesh

BONE = people.BONES.index("neck")
SKULL = np.array([0.0, 0.0, 0.16])
"""Middle of the upper head."""
HAIR_CELL, HAIR_SOFTNESS = 0.02, 0.014
STYLES = {"cropped": 0.22, "full": 0.2, "curls": 0.12, "long": 0.18, "bun": 0.1, "tail": 0.1, "bald": 0.08}
"""Hair, and how often; what is cropped is but a colour of the skin."""
HATS = {"none": 0.68, "cap": 0.12, "beanie": 0.1, "brim": 0.1}
BEARDED = 0.25
Direction = tuple[float, float, float]
Spot = Float64[np.ndarray, " 3"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One solid on a head."""

    name: str
    mesh: Mesh
    look: str
    """Which of `wardrobe`'s materials it has; pieces of one look are of one colour."""


def pieces(rng: np.random.Generator, stoutness: float) -> tuple[tuple[Piece, ...], bool]:
    """A face, hair and perhaps a hat for the body of a stoutness, and whether the scalp is bald."""
    style, hat = (str(rng.choice(list(table), p=list(table.values()))) for table in (STYLES, HATS))
    bearded = rng.uniform() < BEARDED
    found = [*_face(rng, stoutness), *(_beard(stoutness) if bearded else ())]
    if hat != "none":
        found.append(Piece(name="hat", mesh=_hat(hat, _reach((-0.3, 0.0, 1.0), stoutness)), look="hat"))
    strands = _strands(style, stoutness, covered=hat != "none")
    if strands:
        found.append(Piece(name="locks", mesh=_solid(strands), look="hair"))
    return tuple(found), style == "bald"


def _reach(direction: Direction, stoutness: float) -> Spot:
    """Where a ray from the middle of the skull leaves the head."""
    along = np.array(direction) / np.linalg.norm(direction)
    way = np.linspace(0.02, 0.25, 231)
    capsules = [people.stout(capsule, stoutness) for capsule in people.FLESH["neck"]]
    depth = np.stack([capsule_distance(c, SKULL + way[:, None] * along) for c in capsules], axis=1)
    inside = melted(depth, people.SOFTNESS) < 0
    return SKULL + way[np.flatnonzero(inside)[-1]] * along


def _face(rng: np.random.Generator, stoutness: float) -> list[Piece]:
    """Eyes with irises, brows, lips and ears; sizes and places differ a little from face to face."""
    apart, size = rng.uniform(0.34, 0.44), rng.uniform(0.9, 1.15) * stoutness
    tilt, wide = rng.uniform(-0.25, 0.25), rng.uniform(0.85, 1.2)
    whites, irises, brows, ears = [], [], [], []
    for side in (-1.0, 1.0):
        eye = _reach((1.0, side * apart, -0.1), stoutness)
        ahead = np.array([1.0, 0.25 * side, 0.0]) / np.hypot(1.0, 0.25)
        whites.append(_ball(eye - 0.008 * size * ahead, 0.014 * size))
        irises.append(_ball(eye - 0.0005 * size * ahead, 0.0085 * size))
        inner = _reach((1.0, side * (apart - 0.2), 0.19 - 0.1 * tilt), stoutness)
        outer = _reach((1.0, side * (apart + 0.22), 0.19 + 0.2 * tilt), stoutness)
        brows.append(_capsule(inner, outer, 0.0065 * size))
        ears.append(_ear(_reach((-0.08, side, -0.2), stoutness), side, size))
    left, right = (_reach((1.0, side * 0.22 * wide, -0.72), stoutness) for side in (-1.0, 1.0))
    return [
        Piece(name="whites", mesh=_joined(whites), look="whites"),
        Piece(name="irises", mesh=_joined(irises), look="irises"),
        Piece(name="brows", mesh=_joined(brows), look="hair"),
        Piece(name="ears", mesh=_joined(ears), look="skin"),
        Piece(name="lips", mesh=_joined([_capsule(left, right, 0.009 * size)]), look="lips"),
    ]


def _beard(stoutness: float) -> tuple[Piece, ...]:
    """Along the jaw, below the mouth."""
    jaw = [
        _reach((x, y, z), stoutness)
        for x, y, z in ((0.3, -1.0, -0.75), (1.0, -0.4, -1.3), (1.0, 0.4, -1.3), (0.3, 1.0, -0.75))
    ]
    hairs = [_strand(a, b, 0.022 * stoutness, 0.022 * stoutness) for a, b in zip(jaw[:-1], jaw[1:], strict=True)]
    return (Piece(name="beard", mesh=_solid(hairs), look="hair"),)


def _strands(style: str, s: float, covered: bool) -> list[Capsule]:
    """The bulk of a head of hair on a head of stoutness s; under a hat only what hangs out of it."""
    crown = [] if covered else [_on_skull(s, (-0.018, 0, 0.014), (-0.012, 0, 0.016), 0.085, 0.083)]
    nape = [_on_skull(s, (-0.05, y, 0.0), (-0.06, y, -0.055), 0.045, 0.035) for y in (-0.035, 0.035)]
    if style == "full" or (style == "curls" and covered):
        return crown + nape
    if style == "curls":
        return [_on_skull(s, (-0.035, 0, 0.03), (-0.03, 0, 0.035), 0.115, 0.112)]
    if style == "long":
        sides = [_on_skull(s, (-0.035, y, 0.02), (-0.055, 1.1 * y, -0.16 / s), 0.045, 0.03) for y in (-0.06, 0.06)]
        return [*crown, *nape, *sides, _on_skull(s, (-0.055, 0, 0), (-0.085, 0, -0.17 / s), 0.045, 0.035)]
    if style == "bun":
        return [*crown, _on_skull(s, (-0.1, 0, 0.045), (-0.105, 0, 0.05), 0.042, 0.04)]
    if style == "tail":
        return [*crown, _on_skull(s, (-0.09, 0, 0.03), (-0.15, 0, -0.15 / s), 0.03, 0.014)]
    return []


def _on_skull(s: float, start: Direction, end: Direction, first: float, last: float) -> Capsule:
    """A strand between places given from the middle of the skull, all of it s times as large."""
    return _strand(SKULL + s * np.array(start), SKULL + s * np.array(end), first * s, last * s)


def _hat(kind: str, crown: Spot) -> Mesh:
    """Lathe work about the vertical axis of the skull, tilted backwards; `crown` is where it touches the head's top."""
    height = float(np.linalg.norm(crown - SKULL))
    r = height + 0.008
    dome = [(r * np.cos(t), r * np.sin(t)) for t in np.linspace(0.0, np.pi / 2, 9)]
    profiles = {
        "beanie": [(0.0, -0.004), (r + 0.004, -0.004), (r + 0.008, 0.02), (r, 0.022), *dome[2:]],
        "cap": [(0.0, 0.0), *dome],
        "brim": [(0.0, 0.0), (1.75 * r, -0.012), (1.75 * r, -0.004), (r, 0.012), (0.92 * r, 0.75 * r), (0.0, 0.82 * r)],
    }
    profile = np.array(profiles[kind])
    profile[[0, -1], 0] = 0.0
    turned = trimesh.creation.revolve(profile, sections=24)
    parts = [turned]
    if kind == "cap":
        peak = trimesh.creation.cylinder(radius=1.0, height=1.0, sections=20)
        peak.apply_scale([0.95 * r, 0.8 * r, 0.008])
        peak.apply_translation([0.75 * r, 0.0, 0.004])
        parts.append(peak)
    tilt = trimesh.transformations.rotation_matrix(np.radians(-12), [0, 1, 0])
    for part in parts:
        part.apply_translation([-0.004, 0.0, 0.3 * r])
        part.apply_transform(tilt)
        part.apply_translation(SKULL)
    return _joined(parts)


def _ball(centre: Spot, radius: float) -> trimesh.Trimesh:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    ball.apply_translation(centre)
    return ball


def _ear(root: Spot, side: float, size: float) -> trimesh.Trimesh:
    """A flat shell that stands off the head."""
    ear = trimesh.creation.icosphere(subdivisions=2)
    ear.apply_scale(np.array([0.02, 0.009, 0.032]) * size)
    ear.apply_transform(trimesh.transformations.rotation_matrix(side * 0.35, [0, 0, 1]))
    ear.apply_translation(root + [-0.004, side * 0.003, 0.0])
    return ear


def _strand(start: Spot, end: Spot, first: float, last: float) -> Capsule:
    a, b = (tuple(float(x) for x in spot) for spot in (start, end))
    return Capsule(start=(a[0], a[1], a[2]), end=(b[0], b[1], b[2]), radii=(first, last))


def _capsule(start: Spot, end: Spot, radius: float) -> trimesh.Trimesh:
    """A capsule as a mesh; both ends round."""
    length = float(np.linalg.norm(end - start))
    mesh = trimesh.creation.capsule(height=length, radius=radius, count=[8, 8])
    mesh.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], end - start))
    mesh.apply_translation((start + end) / 2)
    return mesh


def _solid(strands: list[Capsule]) -> Mesh:
    """Strands melted into one closed surface."""
    ends = np.array([end for strand in strands for end in (strand.start, strand.end)])
    room = max(max(strand.radii) for strand in strands) + 3 * HAIR_CELL

    def field(points: Float64[np.ndarray, "N 3"]) -> Float64[np.ndarray, " N"]:
        return melted(np.stack([capsule_distance(strand, points) for strand in strands], axis=1), HAIR_SOFTNESS)

    vertices, faces = mesh_of(field, ends.min(axis=0) - room, ends.max(axis=0) + room, HAIR_CELL)
    return Mesh(vertices=vertices.astype(np.float32), faces=faces, smooth=True)


def _joined(parts: list[trimesh.Trimesh]) -> Mesh:
    start = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return Mesh(
        vertices=np.concatenate([part.vertices for part in parts]).astype(np.float32),
        faces=np.concatenate([part.faces + s for part, s in zip(parts, start, strict=False)]).astype(np.int32),
        smooth=True,
    )
