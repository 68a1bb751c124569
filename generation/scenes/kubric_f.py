"""MOVi-F's law: 10-20 things lie about, 1-3 are tossed among them, camera and gaze move along straight lines.

After the `linear_movement_linear_lookat` worker of Kubric's MOVi (Greff et al. 2022): sizes of 0.75 to 3 m, spawn regions
of +-7 m and +-5 m, 12 frames a second, a 35 mm lens on a 32 mm sensor. Unlike MOVi-F, the ground is a real floor and not
an HDRI dome, gravity is 9.81 m/s2, and mass follows from volume.
"""

from pathlib import Path

import numpy as np

from generation import assets, materials
from generation.cameras import clear_of, intrinsics, linear_with_linear_look_at
from generation.kubric_compat import kb
from generation.lights import draw_light
from generation.physics import Region, Simulation
from generation.scene import Asset, Body, Scene

FRAME_RATE = 12
FLOOR_HALF_WIDTH = 40.0
REST_REGION = ((-7.0, -7.0, 0.0), (7.0, 7.0, 10.0))
TOSS_REGION = ((-5.0, -5.0, 1.0), (5.0, 5.0, 5.0))
TOSS_SPEED = ((-4.0, -4.0, 0.0), (4.0, 4.0, 0.0))
SETTLE_FRAMES = 100
DENSITY = 250.0


def sample(rng: np.random.Generator, frames: int, resolution: tuple[int, int], scratch: Path) -> Scene:
    """A random scene; `scratch` is an empty folder for the simulator's files."""
    physics_rng, look_rng, camera_rng, light_rng = rng.spawn(4)
    bodies = simulate(physics_rng, look_rng, frames, scratch)
    K = intrinsics(*resolution, focal_mm=35.0, sensor_mm=32.0)
    cameras = clear_of(
        bodies,
        lambda: linear_with_linear_look_at(
            camera_rng, K, frames, eye_shell=(7.0, 12.0), target_shell=(0.0, 4.0), longest=4.0
        ),
    )
    return Scene(
        family="kubric_f",
        bodies=bodies,
        cameras=cameras,
        light=draw_light(light_rng),
        resolution=resolution,
        frame_rate=FRAME_RATE,
    )


def simulate(rng: np.random.Generator, look: np.random.Generator, frames: int, scratch: Path) -> tuple[Body, ...]:
    """The floor, the things at rest and the tossed ones, with their paths."""
    simulation = Simulation(scratch, frames, FRAME_RATE, FLOOR_HALF_WIDTH)
    added: list[tuple[kb.FileBasedObject, Asset]] = []

    def place(region: Region) -> kb.FileBasedObject:
        asset = assets.draw(rng, size=rng.uniform(0.75, 3.0))
        thing = simulation.add(asset, DENSITY)
        simulation.place(thing, region, rng)
        thing.friction, thing.restitution = 1.0, 0.0
        added.append((thing, asset))
        return thing

    resting = [place(REST_REGION) for _ in range(rng.integers(10, 21))]
    simulation.settle(SETTLE_FRAMES)
    for thing in resting:
        thing.velocity = thing.angular_velocity = (0.0, 0.0, 0.0)
        thing.friction, thing.restitution = 0.5, 0.5
    tossed = [place(TOSS_REGION) for _ in range(rng.integers(1, 4))]
    for thing in tossed:
        x, y, _ = thing.position
        thing.velocity = rng.uniform(*TOSS_SPEED) - [x, y, 0.0]
        thing.friction, thing.restitution = 0.5, 0.5
    paths = simulation.run()
    simulation.close()
    floor = assets.floor(FLOOR_HALF_WIDTH)
    ground = Body(
        name="floor",
        asset=floor,
        material=materials.for_floor(look),
        world_from_body=np.tile(np.eye(4), (frames, 1, 1)),
        facts={"role": "ground"},
    )
    things = tuple(
        Body(
            name=f"thing_{number:02d}",
            asset=asset,
            material=materials.for_object(look, asset),
            world_from_body=paths[thing.uid],
            facts={
                "role": "tossed" if thing in tossed else "resting",
                "mass": thing.mass,
                "friction": thing.friction,
                "restitution": thing.restitution,
            },
        )
        for number, (thing, asset) in enumerate(added)
    )
    return (ground, *things)
