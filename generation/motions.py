"""Motion capture: the clips of pybullet_data (from DeepMimic, Peng et al. 2018) and the skeleton that they move.

The files are y-up with x ahead; here everything is z-up with x ahead, metres, as the rest of the project.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from generation.assets import package_folder
from generation.quaternions import about, conjugate, multiply, rotate, towards, unit

LICENCE = "Zlib (pybullet_data; motion capture of DeepMimic)"


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A joint and what hangs on it."""

    name: str
    parent: int
    """Index of a bone before it; -1 for the root."""
    offset: tuple[float, float, float]
    """From the parent's joint, metres, in its frame."""
    column: int
    """Where a file's frame has the turn of this joint."""
    hinge: bool = False
    """Whether that is one angle about the axis to the right, not a quaternion."""


def _limb(side: str, sign: float) -> tuple[tuple[str, str, tuple[float, float, float]], ...]:
    return (
        (f"{side}_hip", "root", (0.0, sign * 0.0849, 0.0)),
        (f"{side}_knee", f"{side}_hip", (0.0, 0.0, -0.4215)),
        (f"{side}_ankle", f"{side}_knee", (0.0, 0.0, -0.4099)),
        (f"{side}_shoulder", "chest", (-0.024, sign * 0.1831, 0.2435)),
        (f"{side}_elbow", f"{side}_shoulder", (0.0, 0.0, -0.2748)),
    )


def _skeleton() -> tuple[Bone, ...]:
    """In the order of the files; lengths are those of pybullet_data's humanoid at a quarter of its size."""
    spine = (
        ("root", "", (0.0, 0.0, 0.0)),
        ("chest", "root", (0.0, 0.0, 0.2362)),
        ("neck", "chest", (0.0, 0.0, 0.2239)),
    )
    bones: list[Bone] = []
    column = 4
    for name, parent, offset in (*spine, *_limb("right", -1.0), *_limb("left", 1.0)):
        names, hinge = [bone.name for bone in bones], name.endswith(("knee", "elbow"))
        index = names.index(parent) if parent else -1
        bones.append(Bone(name=name, parent=index, offset=offset, column=column, hinge=hinge))
        column += 1 if hinge else 4
    return tuple(bones)


SKELETON = _skeleton()
RIGHT = np.array([0.0, -1.0, 0.0])
MOST_TO_CLOSE_RADIANS = np.radians(40.0)
"""Clips whose ends differ by less at every joint are repeated; the difference is spread over the cycle."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A clip as key frames."""

    name: str
    seconds: Float64[np.ndarray, " N"]
    root: Float64[np.ndarray, "N 3"]
    turns: Float64[np.ndarray, "N B 4"]
    """Of each joint in its parent's frame; of the root in the world."""
    cyclic: bool


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where bones are at some times: x_world = rotate(rotation, x_bone) + origin."""

    rotation: Float64[np.ndarray, "T B 4"]
    origin: Float64[np.ndarray, "T B 3"]


def names() -> list[str]:
    """All clips of a human, sorted."""
    return sorted(path.stem.removeprefix("humanoid3d_") for path in _folder().glob("humanoid3d_*.txt"))


def _folder() -> Path:
    return package_folder("pybullet_data") / "data" / "motions"


@cache
def load(name: str) -> Motion:
    """One of `names`."""
    content = json.loads((_folder() / f"humanoid3d_{name}.txt").read_text())
    rows = np.array(content["Frames"], np.float64)
    turns = np.stack([_turns(rows, bone) for bone in SKELETON], axis=1)
    for frame in range(1, len(turns)):
        turns[frame] = towards(turns[frame], turns[frame - 1])
    gap = 2 * np.arccos(np.clip(np.abs((turns[0] * turns[-1]).sum(axis=-1)), 0, 1)).max()
    cyclic = content["Loop"] == "wrap" and bool(gap < MOST_TO_CLOSE_RADIANS)
    return Motion(
        name=name,
        seconds=np.concatenate([[0.0], np.cumsum(rows[:-1, 0])]),
        root=rows[:, [1, 3, 2]] * [1.0, -1.0, 1.0],
        turns=_closed(turns) if cyclic else turns,
        cyclic=cyclic,
    )


def _turns(rows: Float64[np.ndarray, "N C"], bone: Bone) -> Float64[np.ndarray, "N 4"]:
    if bone.hinge:
        return about(RIGHT, rows[:, bone.column])
    w, x, y, z = rows[:, bone.column : bone.column + 4].T
    return unit(np.stack([w, x, -z, y], axis=-1))


def _closed(turns: Float64[np.ndarray, "N B 4"]) -> Float64[np.ndarray, "N B 4"]:
    """Turns whose last frame equals the first, a growing share of the gap added to each."""
    gap = multiply(turns[0], conjugate(towards(turns[-1], turns[0])))
    share = np.linspace(0.0, 1.0, len(turns))[:, None, None]
    return multiply(unit(np.array([1.0, 0.0, 0.0, 0.0]) * (1 - share) + gap * share), turns)


def at(motion: Motion, seconds: Float64[np.ndarray, " T"]) -> Pose:
    """The skeleton at some times. A cyclic clip goes on and on, any other stays as it ends.

    Between key frames, which are at most 63 ms apart, turns are interpolated linearly.
    """
    length = motion.seconds[-1]
    cycle = np.floor(seconds / length) if motion.cyclic else np.zeros_like(seconds)
    phase = np.clip(seconds - cycle * length, 0.0, length)
    before = np.clip(np.searchsorted(motion.seconds, phase, side="right") - 1, 0, len(motion.seconds) - 2)
    share = (phase - motion.seconds[before]) / (motion.seconds[before + 1] - motion.seconds[before])
    root = motion.root[before] + share[:, None] * (motion.root[before + 1] - motion.root[before])
    stride = (motion.root[-1] - motion.root[0]) * [1.0, 1.0, 0.0]
    first, second = motion.turns[before], motion.turns[before + 1]
    turns = first + share[:, None, None] * (towards(second, first) - first)
    return posed(unit(turns), root + cycle[:, None] * stride)


def posed(turns: Float64[np.ndarray, "T B 4"], root: Float64[np.ndarray, "T 3"]) -> Pose:
    """Forward kinematics."""
    rotation, origin = [turns[:, 0]], [root]
    for number, bone in enumerate(SKELETON[1:], start=1):
        rotation.append(multiply(rotation[bone.parent], turns[:, number]))
        origin.append(origin[bone.parent] + rotate(rotation[bone.parent], np.array(bone.offset)))
    return Pose(rotation=np.stack(rotation, axis=1), origin=np.stack(origin, axis=1))
