"""The robots of pybullet_data: how they stand, how they are driven at random, what they look like."""

import colorsys
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from generation import materials
from generation.assets import BULLET, package_folder
from generation.playground import Drive, Joint
from generation.scene import Asset, Material, Mesh, Rgb
from generation.shapes import scaled
from generation.urdf import Visual, visuals


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A model of robot."""

    urdf: str
    """Path in pybullet_data."""
    gait: Literal["arm", "legs", "wheels"]
    sizes: tuple[float, float]
    """Factors on the size of the model."""
    stand: tuple[float, ...] = ()
    """Angles of hip, thigh and knee at which a leg stands."""
    vigour: float = 1.0
    """Factor on the swing of legs: the light cheetah and the narrow Laikago topple at full swing."""
    licence: str = BULLET


STEEL: Rgb = (0.3, 0.3, 0.32)
KINDS = {
    "kuka": Kind(urdf="kuka_iiwa/model.urdf", gait="arm", sizes=(0.9, 1.8)),
    "panda": Kind(
        urdf="franka_panda/panda.urdf", gait="arm", sizes=(0.9, 2.0), licence="Apache-2.0 (pybullet_data, Franka Emika)"
    ),
    "xarm": Kind(urdf="xarm/xarm6_robot.urdf", gait="arm", sizes=(1.0, 2.2)),
    "a1": Kind(urdf="a1/a1.urdf", gait="legs", sizes=(1.2, 2.6), stand=(0.0, 0.9, -1.8)),
    "aliengo": Kind(urdf="aliengo/aliengo.urdf", gait="legs", sizes=(1.0, 2.2), stand=(0.0, 0.8, -1.6)),
    "cheetah": Kind(
        urdf="mini_cheetah/mini_cheetah.urdf", gait="legs", sizes=(1.2, 2.6), stand=(0.0, -0.9, 1.7), vigour=0.65
    ),
    "laikago": Kind(
        urdf="laikago/laikago_toes_zup.urdf", gait="legs", sizes=(1.0, 2.2), stand=(0.2, 0.05, -0.5), vigour=0.6
    ),
    "spirit": Kind(urdf="quadruped/spirit40.urdf", gait="legs", sizes=(1.0, 2.2), stand=(0.0, 0.9, 1.8)),
    "vision": Kind(urdf="quadruped/vision60.urdf", gait="legs", sizes=(0.9, 1.8), stand=(0.0, 0.9, 1.8)),
    "r2d2": Kind(urdf="r2d2.urdf", gait="wheels", sizes=(0.8, 1.6)),
    "husky": Kind(urdf="husky/husky.urdf", gait="wheels", sizes=(0.7, 1.4)),
    "racecar": Kind(urdf="racecar/racecar.urdf", gait="wheels", sizes=(1.2, 2.6)),
}


def urdf(kind: Kind) -> Path:
    """The file of a model."""
    return package_folder("pybullet_data") / kind.urdf


def draw_drive(rng: np.random.Generator, kind: Kind, joints: tuple[Joint, ...]) -> Drive:
    """A random smooth movement within the limits of the joints."""
    return {"arm": _reach, "legs": _trot, "wheels": _roll}[kind.gait](rng, kind, joints)


def _reach(rng: np.random.Generator, kind: Kind, joints: tuple[Joint, ...]) -> Drive:
    """Every joint swings by itself, as far as its limits and 1 rad allow."""
    lower, upper = (np.array([getattr(joint, end) for joint in joints]) for end in ("lower", "upper"))
    lower, upper = np.maximum(lower, -2.0), np.minimum(upper, 2.0)
    centre = lower + (upper - lower) * rng.uniform(0.25, 0.75, size=len(joints))
    room = np.minimum(0.95 * np.minimum(upper - centre, centre - lower), 1.0)
    return Drive(
        centre=centre,
        amplitude=room * rng.uniform(0.5, 1.0, size=len(joints)),
        hertz=rng.uniform(0.15, 0.5, size=len(joints)),
        phase=rng.uniform(0, 2 * np.pi, size=len(joints)),
        rolling=np.zeros(len(joints), bool),
    )


def _trot(rng: np.random.Generator, kind: Kind, joints: tuple[Joint, ...]) -> Drive:
    """Diagonal legs step together; knees bend a quarter of a cycle before thighs swing forwards."""
    leg = np.array([0.0, np.pi, np.pi, 0.0])[:, None]
    swing = rng.uniform((0.0, 0.1, 0.1), (0.05, 0.22, 0.2)) * [1.0, 1.0, rng.choice([-1.0, 1.0])]
    return Drive(
        centre=np.tile(kind.stand, 4),
        amplitude=np.tile(kind.vigour * swing, 4),
        hertz=np.full(12, rng.uniform(0.8, 1.8)),
        phase=(leg + [0.0, 0.0, np.pi / 2] + rng.uniform(0, 2 * np.pi)).reshape(-1),
        rolling=np.zeros(12, bool),
    )


def _roll(rng: np.random.Generator, kind: Kind, joints: tuple[Joint, ...]) -> Drive:
    """Wheels turn, faster on one side; whatever else there is swings a little, all together."""
    wheel = np.array(["wheel" in joint.name for joint in joints])
    side = np.array([1.0 if "left" in joint.name else -1.0 for joint in joints])
    lower, upper = (np.array([getattr(joint, end) for joint in joints]) for end in ("lower", "upper"))
    lower, upper = np.maximum(lower, -0.5), np.minimum(upper, 0.5)
    speed, turn = rng.uniform(3.0, 9.0) * rng.choice([-1.0, 1.0]), rng.uniform(-3.0, 3.0)
    return Drive(
        centre=np.where(wheel, speed + turn * side, (lower + upper) / 2),
        amplitude=np.where(wheel, 0.3 * speed, rng.uniform(0.4, 0.95) * (upper - lower) / 2),
        hertz=np.full(len(joints), rng.uniform(0.2, 0.6)),
        phase=np.full(len(joints), rng.uniform(0, 2 * np.pi)),
        rolling=wheel,
    )


@cache
def parts(name: str) -> tuple[tuple[str, tuple[Visual, ...]], ...]:
    """The visual shapes of one of `KINDS` by link, those of one look together."""
    groups = defaultdict(list)
    for visual in visuals(urdf(KINDS[name])):
        groups[visual.link, visual.colour, visual.texture].append(visual)
    return tuple((link, tuple(group)) for (link, _, _), group in groups.items())


def asset(name: str, number: int, size: float) -> Asset:
    """One of the `parts` of a robot as a thing of its own."""
    link, group = parts(name)[number]
    return Asset(
        id=f"pybullet/{name}/{link}/{number}",
        mesh=scaled(_joined([visual.mesh for visual in group]), size),
        licence=KINDS[name].licence,
        scale=size,
        texture=group[0].texture,
    )


def _joined(meshes: list[Mesh]) -> Mesh:
    start = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    uv = [mesh.uv for mesh in meshes if mesh.uv is not None]
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate([mesh.faces + np.int32(first) for mesh, first in zip(meshes, start, strict=False)]),
        uv=np.concatenate(uv) if uv else None,
    )


def paintwork(rng: np.random.Generator, name: str) -> list[Material]:
    """Materials of the `parts` of a robot: its textures or colours; half the robots are painted anew."""
    turn, paint, painted = rng.uniform(), materials.colour(rng, (0.1, 0.8), (0.2, 0.9)), rng.uniform() < 0.5
    roughness, metallic = rng.uniform(0.2, 0.6), float(rng.uniform() < 0.3)
    looks, gaudy = [], _gaudy([group[0].colour for _, group in parts(name)])
    for number, (_, group) in enumerate(parts(name)):
        srgb, texture = None if gaudy else group[0].colour, group[0].texture
        base = (
            (paint, STEEL)[number % 2 * gaudy]
            if srgb is None
            else _repainted(srgb, turn, paint)
            if painted
            else materials.linear(_muted(srgb))
        )
        looks.append(
            Material(
                pattern="plain" if texture is None else "image",
                colours=(base, (base[0] * 0.8, base[1] * 0.8, base[2] * 0.8)),
                size=0.5,
                roughness=roughness,
                metallic=metallic if np.ptp(base) < 0.1 else 0.0,
                image=texture,
            )
        )
    return looks


def _gaudy(colours: list[Rgb | None]) -> bool:
    """Whether every link has another loud colour, as in teaching; such a robot is painted in one, with steel between."""
    loud = {colour for colour in colours if colour and colorsys.rgb_to_hsv(*colour)[1] > 0.4}
    return len(loud) > 3


def _repainted(srgb: Rgb, turn: float, paint: Rgb) -> Rgb:
    """Paint in place of white and light grey; another hue in place of any other colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*srgb)
    if saturation < 0.2 and value > 0.6:
        return paint
    return materials.linear(_muted(colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)))


def _muted(srgb: Rgb) -> Rgb:
    """A colour no blacker, whiter or purer than paint is."""
    hue, saturation, value = colorsys.rgb_to_hsv(*srgb)
    return colorsys.hsv_to_rgb(hue, 0.9 * saturation, 0.06 + 0.86 * value)
