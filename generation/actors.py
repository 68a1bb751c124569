"""People ready for a scene: a body, clothes, a clip of motion capture and a place where they touch nobody."""

import numpy as np
from jaxtyping import Float32, Float64
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from generation import choice, heads, motions, people, wardrobe
from generation.motions import Pose
from generation.quaternions import about, conjugate, matrices, multiply, rotate
from generation.scene import Asset, Body, Joint, Mesh
from generation.shapes import scaled
from vdpm.geometry import rigid, transform

BUILDS = (0.95, 1.05, 1.2, 1.35)
HEIGHTS = (1.1, 2.1)
"""Metres from sole to crown."""
STANDARD_HEIGHT = 1.605
"""Of `people.skin`."""
LICENCE = f"CC0-1.0 (procedural body); motion: {motions.LICENCE}"
HALF_WIDTH = 3.5
"""Of the square in which people are, metres; where there is room near its middle, they are there."""
GAP = 0.05
TRIES = 300
Footprint = Float64[np.ndarray, "T 3"]
"""x, y and radius of a disc on the floor below which a thing is, at each time."""


def person(
    rng: np.random.Generator,
    look: np.random.Generator,
    name: str,
    seconds: Float64[np.ndarray, " T"],
    others: tuple[Body, ...],
) -> tuple[Body, ...]:
    """The garments and the face of a person who keeps clear of the others.

    Raises:
        RuntimeError: there is no room.
    """
    motion, build = motions.load(str(rng.choice(choice.among(motions.names())))), float(rng.choice(BUILDS))
    body, worn = wardrobe.dressed(people.skin(build), wardrobe.draw_outfit(rng))
    height = rng.uniform(*HEIGHTS)
    start = rng.uniform(0.0, motion.seconds[-1] if motion.cyclic else max(0.0, motion.seconds[-1] - seconds[-1]))
    pose = motions.at(motion, start + seconds)
    shapes = rounded(people.skinned(body, pose) * np.float32(height / STANDARD_HEIGHT))
    path = placed(rng, grounded(pose, shapes, height / STANDARD_HEIGHT), shapes, others)
    facts = {"role": "character", "person": name, "motion": motion.name, "start_seconds": start, "height": height}
    carried, bald = heads.pieces(rng, build)
    worn_looks, scale = wardrobe.looks(look, bald), height / STANDARD_HEIGHT
    in_root = _head_in_root(pose, scale)
    path = lifted(path, *(_lowest(path @ in_root, scaled(piece.mesh, scale).vertices[None]) for piece in carried))
    garments = []
    for number, garment in enumerate(wardrobe.GARMENTS):
        mesh, used = wardrobe.part(body, worn == number)
        garments.append(
            Body(
                name=f"{name}/{garment}",
                asset=_asset(f"{build}/{motion.name}/{garment}", mesh, scale),
                material=worn_looks[garment],
                world_from_body=path,
                shapes=shapes[:, used],
                facts=facts,
                group=name,
                joints=() if number else joints(pose, path, scale),
            )
        )
    pieces = (
        Body(
            name=f"{name}/{piece.name}",
            asset=_asset(f"{build}/{motion.name}/{piece.name}", piece.mesh, scale),
            material=worn_looks[piece.look],
            world_from_body=path @ in_root,
            facts=facts,
            group=name,
        )
        for piece in carried
    )
    return (*garments, *pieces)


def _asset(part: str, mesh: Mesh, scale: float) -> Asset:
    return Asset(id=f"procedural/person/{part}", mesh=scaled(mesh, scale), licence=LICENCE)


def _head_in_root(pose: Pose, scale: float) -> Float64[np.ndarray, "T 4 4"]:
    """root_from_head of a skeleton that has been scaled."""
    root = conjugate(pose.rotation[:, 0])
    turn = multiply(root, pose.rotation[:, heads.BONE])
    return rigid(matrices(turn), scale * rotate(root, pose.origin[:, heads.BONE] - pose.origin[:, 0]))


def joints(pose: Pose, path: Float64[np.ndarray, "T 4 4"], scale: float) -> tuple[Joint, ...]:
    """The joints of a skeleton that has been scaled and put on a path."""
    root, found = conjugate(pose.rotation[:, 0]), []
    for number, bone in enumerate(motions.SKELETON):
        place = scale * rotate(root, pose.origin[:, number] - pose.origin[:, 0])
        turn = multiply(conjugate(pose.rotation[:, bone.parent]), pose.rotation[:, number])
        found.append(
            Joint(
                name=bone.name,
                kind="revolute" if bone.hinge else "ball",
                place=transform(path, place),
                position=2 * np.arctan2(turn[:, 1:] @ motions.RIGHT, turn[:, 0]) if bone.hinge else None,
            )
        )
    return tuple(found)


def rounded(shapes: Float32[np.ndarray, "T V 3"]) -> Float32[np.ndarray, "T V 3"]:
    """Vertices put on a grid of 31 micrometres: what is rendered is what is stored, in two thirds of the space."""
    return np.round(shapes * np.float32(2**15)) / np.float32(2**15)


def grounded(pose: Pose, shapes: Float32[np.ndarray, "T V 3"], scale: float) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_body of a pose, lifted so that nothing is below the floor.

    The recorded bodies were not ours.
    """
    path = rigid(matrices(pose.rotation[:, 0]), scale * pose.origin[:, 0])
    return lifted(path, _lowest(path, shapes))


def lifted(path: Float64[np.ndarray, "T 4 4"], *lowest: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 4 4"]:
    """A path raised by as much as its parts are below the floor, whose lowest z is given. The lift is smooth over time and
    touches the floor at its lowest; who is in the air is not pulled down."""
    raised = path.copy()
    raised[:, 2, 3] += uniform_filter1d(maximum_filter1d(np.maximum(-np.min(lowest, axis=0), 0.0), 3), 3)
    return raised


def _lowest(path: Float64[np.ndarray, "T 4 4"], shapes: Float32[np.ndarray, "*T V 3"]) -> Float64[np.ndarray, " T"]:
    """Least z of the vertices at each time."""
    return transform(path[:, None], shapes.astype(np.float64))[..., 2].min(axis=1)


def placed(
    rng: np.random.Generator,
    path: Float64[np.ndarray, "T 4 4"],
    shapes: Float32[np.ndarray, "T V 3"],
    others: tuple[Body, ...],
) -> Float64[np.ndarray, "T 4 4"]:
    """A path turned and moved on the floor, little by little farther out, to where it is clear of the others at every time.

    Raises:
        RuntimeError: there is no such place.
    """
    taken = [footprint(other) for other in others if other.facts["role"] != "ground"]
    reach = _radii(path, shapes)
    for half_width in np.linspace(0.5, HALF_WIDTH, TRIES):
        turn = matrices(about(np.array([0.0, 0.0, 1.0]), rng.uniform(0.0, 2 * np.pi)))
        moved = rigid(turn, np.zeros(3)) @ path
        moved[:, :2, 3] += rng.uniform(-half_width, half_width, size=2) - moved[:, :2, 3].mean(axis=0)
        mine = np.concatenate([moved[:, :2, 3], reach], axis=1)
        if all(apart(mine, other) for other in taken):
            return moved
    raise RuntimeError(f"no place for a person in {TRIES} tries is clear of the others")


def footprint(body: Body) -> Footprint:
    """The discs of a body."""
    shapes = body.asset.mesh.vertices[None] if body.shapes is None else body.shapes
    return np.concatenate([body.world_from_body[:, :2, 3], _radii(body.world_from_body, shapes)], axis=1)


def apart(one: Footprint, other: Footprint) -> bool:
    """Whether two discs never come closer than `GAP` metres."""
    distance = np.linalg.norm(one[:, :2] - other[:, :2], axis=1) - one[:, 2] - other[:, 2]
    return bool((distance > GAP).all())


def _radii(path: Float64[np.ndarray, "T 4 4"], shapes: Float32[np.ndarray, "*T V 3"]) -> Float64[np.ndarray, "T 1"]:
    """Horizontal distance of the farthest vertex from the body's origin."""
    world = transform(path[:, None], shapes.astype(np.float64)) - path[:, None, :3, 3]
    return np.linalg.norm(world[..., :2], axis=-1).max(axis=1, keepdims=True)
