"""Things at rest and things tossed, simulated together: what the families with rigid objects share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from generation import assets, materials
from generation.contacts import Touching
from generation.kubric_compat import kb
from generation.physics import FLOOR, Region, Simulation
from generation.scene import Asset, Body

FRAME_RATE = 12
SETTLE_FRAMES = 100
DENSITY = 250.0
FRICTION, RESTITUTION = 0.5, 0.5
"""Of things. Kubric lets them come to rest with a friction of 1, and those that lean begin to slip with the first frame."""
DROPS = 5
"""How often things that roll off the floor are dropped before a scene is given up."""
Vector = Float64[np.ndarray, " 3"]


@dataclass
class Crowd:
    """A simulation being filled. Call `rest`, then `toss`, then `bodies`."""

    simulation: Simulation
    floor_half_width: float
    touching: Touching = Touching()
    """Filled by `bodies`."""
    added: list[tuple[kb.FileBasedObject, Asset, str]] = field(default_factory=list)

    @classmethod
    def on_floor(cls, scratch: Path, frames: int, floor_half_width: float) -> "Crowd":
        """An empty floor; `scratch` is an empty folder."""
        return cls(Simulation(scratch, frames, FRAME_RATE, floor_half_width), floor_half_width)

    def rest(self, rng: np.random.Generator, number: int, region: Region, sizes: tuple[float, float]) -> None:
        """Drop a number of things from a region and let them come to rest before the first frame. What has rolled off the
        floor by then, as large balls do, is dropped again among the others.

        Raises:
            RuntimeError: there is no room, or something rolled off each time.
        """
        things = [self._place(rng, region, sizes, "resting") for _ in range(number)]
        for _ in range(DROPS):
            self.simulation.settle(SETTLE_FRAMES)
            if not (fallen := [thing for thing in things if self.simulation.is_off_floor(thing)]):
                break
            for thing in fallen:
                self.simulation.place(thing, region, rng)
        else:
            raise RuntimeError(f"something rolled off the floor {DROPS} times")
        for thing in things:
            thing.restitution = RESTITUTION

    def toss(
        self,
        rng: np.random.Generator,
        number: int,
        region: Region,
        sizes: tuple[float, float],
        velocity: Callable[[Vector], Vector],
        spin: float = 0.0,
    ) -> None:
        """Start a number of things from a region at the first frame, with a velocity (m/s) that may depend on the place
        and a spin of up to `spin` rad/s about a random axis."""
        things = [self._place(rng, region, sizes, "tossed") for _ in range(number)]
        for thing in things:
            thing.velocity = velocity(np.array(thing.position, np.float64))
            if spin:
                axis = rng.normal(size=3)
                thing.angular_velocity = axis / np.linalg.norm(axis) * rng.uniform(0.0, spin)
            thing.restitution = RESTITUTION

    def bodies(self, look: np.random.Generator) -> tuple[Body, ...]:
        """Run the simulation: the floor, then the things in the order they were added, with their paths."""
        course = self.simulation.run()
        self.simulation.close()
        self.touching, paths = course.touching, course.paths
        frames = len(next(iter(paths.values())))
        things = (
            Body(
                name=_name(number),
                asset=asset,
                material=materials.for_object(look, asset),
                world_from_body=paths[thing.uid],
                velocity=course.velocities[thing.uid],
                facts={
                    "role": role,
                    "mass": thing.mass,
                    "friction": thing.friction,
                    "restitution": thing.restitution,
                },
            )
            for number, (thing, asset, role) in enumerate(self.added)
        )
        return (ground(look, frames, self.floor_half_width), *things)

    def _place(
        self, rng: np.random.Generator, region: Region, sizes: tuple[float, float], role: str
    ) -> kb.FileBasedObject:
        asset = assets.draw(rng, size=rng.uniform(*sizes))
        thing = self.simulation.add(asset, DENSITY)
        self.simulation.names[thing.uid] = _name(len(self.added))
        self.simulation.place(thing, region, rng)
        thing.friction, thing.restitution = FRICTION, 0.0
        self.added.append((thing, asset, role))
        return thing


def _name(number: int) -> str:
    return f"thing_{number:02d}"


def ground(look: np.random.Generator, frames: int, half_width: float) -> Body:
    """The floor as a body that never moves."""
    return Body(
        name=FLOOR,
        asset=assets.floor(half_width),
        material=materials.for_floor(look),
        world_from_body=np.tile(np.eye(4), (frames, 1, 1)),
        facts={"role": "ground"},
    )
