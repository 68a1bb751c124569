"""A closed room with furniture, things lying about and a few in the air: the regime of Bonn and TUM RGB-D.

Real walls and ceiling, lamps as the only light, 3-7 pieces of furniture, 4-10 small things at rest on them and 3-7
tossed; a camera in a hand, on a head or on a tripod, with 55 to 90 degrees of view.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from generation import blocks, cameras, materials
from generation.crowd import FRAME_RATE, Crowd
from generation.lights import draw_light, lamps
from generation.scene import Body, Scene
from vdpm.clip import Cameras
from vdpm.geometry import rigid

RESTING, TOSSED = (0.12, 0.5), (0.25, 0.7)
"""Sizes, metres."""
PROGRAMS = (cameras.handheld, cameras.handheld, cameras.orbit, cameras.pan, cameras.spline)


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    plan_rng, physics_rng, look_rng, camera_rng, light_rng = rng.spawn(5)
    x, y, height = plan_rng.uniform(2.2, 3.8), plan_rng.uniform(2.2, 3.8), plan_rng.uniform(2.5, 3.2)
    structure = [*_shell(look_rng, (x, y), height, frames), *_furniture(plan_rng, look_rng, (x, y), frames)]
    crowd = Crowd.on_floor(scratch, frames, floor_half_width=max(x, y) + 0.1)
    for body in structure:
        crowd.simulation.add_static(body.asset, body.world_from_body[0], body.name)
    region = ((-x + 0.1, -y + 0.1, 0.0), (x - 0.1, y - 0.1, height - 0.1))
    crowd.rest(physics_rng, int(physics_rng.integers(4, 11)), region, RESTING)
    middle = ((-0.7 * x, -0.7 * y, 0.4), (0.7 * x, 0.7 * y, height - 0.1))
    number = int(physics_rng.integers(3, 8))
    crowd.toss(physics_rng, number, middle, TOSSED, lambda _: physics_rng.normal(size=3) * 1.5, spin=6.0)
    bodies = (*crowd.bodies(look_rng), *structure)
    K = cameras.random_lens(camera_rng, *resolution, fov_degrees=(55, 90), shift=0.03)
    program = PROGRAMS[int(camera_rng.integers(len(PROGRAMS)))]
    stage = cameras.Stage(inner=0.8, outer=float(np.hypot(x, y)), target=1.3, lowest=0.9, longest=1.5)
    times = np.arange(frames) / FRAME_RATE

    def inside() -> Cameras:
        while True:
            shot = program(camera_rng, K, times, stage)
            reach = np.abs(shot.world_from_camera[:, :3, 3]).max(axis=0)
            if (reach < (x - 0.3, y - 0.3, min(height - 0.3, 2.1))).all():
                return shot

    light = draw_light(light_rng, lamps(light_rng, (x, y), height))
    return Scene(
        family="room",
        bodies=bodies,
        cameras=cameras.clear_of(bodies, inside, clearance=0.2),
        light=light,
        resolution=resolution,
        frame_rate=FRAME_RATE,
        touching=crowd.touching,
    )


def _shell(look: np.random.Generator, half: tuple[float, float], height: float, frames: int) -> list[Body]:
    """Walls of one colour, sometimes one of another, and a pale ceiling."""
    walls, accent = (materials.paint(look, (0.0, 0.35), (0.6, 0.95)) for _ in range(2))
    ceiling = materials.paint(look, (0.0, 0.05), (0.85, 0.95))
    paints = {"wall_north": accent, "ceiling": ceiling}
    return [
        _standing(name, asset, paints.get(name, walls), np.eye(4), frames)
        for name, asset in blocks.walls(half, height).items()
    ]


def _furniture(
    rng: np.random.Generator, look: np.random.Generator, half: tuple[float, float], frames: int
) -> list[Body]:
    """Pieces at random places, turned by quarter turns, that keep clear of each other and of the walls."""
    bodies, taken = [], []
    for number in range(int(rng.integers(3, 8))):
        asset = blocks.FURNITURE[int(rng.integers(len(blocks.FURNITURE)))](rng)
        radius = float(np.linalg.norm(asset.mesh.vertices[:, :2], axis=1).max())
        for _ in range(30):
            place = rng.uniform(-1, 1, size=2) * (np.array(half) - radius - 0.05)
            if all(np.linalg.norm(place - other) > radius + reach for other, reach in taken):
                taken.append((place, radius))
                pose = rigid(_quarter_turns(int(rng.integers(4))), np.array([*place, 0.0]))
                material = (
                    materials.timber(look) if look.uniform() < 0.6 else materials.paint(look, (0.1, 0.7), (0.2, 0.9))
                )
                bodies.append(_standing(f"furniture_{number}", asset, material, pose, frames))
                break
    return bodies


def _standing(name: str, asset, material, pose: Float64[np.ndarray, "4 4"], frames: int) -> Body:
    return Body(
        name=name,
        asset=asset,
        material=material,
        world_from_body=np.tile(pose, (frames, 1, 1)),
        facts={"role": "structure"},
    )


def _quarter_turns(number: int) -> Float64[np.ndarray, "3 3"]:
    c, s = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][number]
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
