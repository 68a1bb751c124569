"""Robots and things put on a floor where they do not touch, then driven: what `articulated` scenes are made of."""

from dataclasses import replace

import numpy as np

from generation import assets, choice, materials, robots
from generation.contacts import Touching, gather
from generation.physics import FLOOR
from generation.playground import STEP_RATE, Course, Drive, Link, Playground
from generation.scene import Asset, Body, Joint

WARM_UP_SECONDS = 1.0
DENSITY = 150.0
HALF_WIDTH = 3.0
GAP = 0.1
TRIES = 200
LEAST_HEIGHT = 0.02
"""Metres above the floor that the links of an arm, but for the first, are to keep."""
CHECKED_SECONDS = np.arange(-WARM_UP_SECONDS, 3.0, 0.25)


class Workshop:
    """A playground being filled. Call `add_robot` and `add_thing`, then `bodies`."""

    def __init__(self) -> None:
        self.playground = Playground()
        self.robots: list[tuple[int, str, float]] = []
        """Number in the simulation, name in `robots.KINDS`, size."""
        self.things: list[tuple[int, Asset]] = []
        self.touching = Touching()
        """Filled by `bodies`."""
        self.taken: list[tuple[float, float, float]] = []
        """x, y and radius of the discs of floor in use."""

    def add_robot(self, rng: np.random.Generator, name: str | None = None) -> None:
        """A robot of random size, at a free place, with a movement of its own; of a random kind unless named.

        Raises:
            RuntimeError: it has no free place, or no movement in which an arm keeps off the floor.
        """
        name = name or str(rng.choice(choice.among(list(robots.KINDS))))
        kind = robots.KINDS[name]
        size = float(rng.uniform(*kind.sizes))
        robot = self.playground.load(robots.urdf(kind), size, fixed=kind.gait == "arm")
        drive, radius = self._movement(rng, kind, robot)
        x, y = self._free(rng, radius)
        self.playground.place(robot, drive, -WARM_UP_SECONDS, x, y, rng.uniform(-np.pi, np.pi))
        self.robots.append((robot, name, size))

    def add_thing(self, rng: np.random.Generator, size: float) -> None:
        """A random thing at a free place."""
        asset = assets.draw(rng, size)
        x, y = self._free(rng, float(np.linalg.norm(asset.mesh.vertices, axis=1).max()))
        quaternion = rng.normal(size=4)
        turn = tuple((quaternion / np.linalg.norm(quaternion)).tolist())
        self.things.append((self.playground.drop(asset, DENSITY, x, y, turn), asset))

    def bodies(self, look: np.random.Generator, frames: int, frame_rate: int) -> tuple[Body, ...]:
        """Simulate, once the things lie still: the links of the robots, then the things."""
        self.playground.settle(-WARM_UP_SECONDS)
        course = self.playground.run(-WARM_UP_SECONDS, frames, frame_rate)
        names = {(self.playground.floor, -1): FLOOR}
        found: list[Body] = []
        for number in range(len(self.robots)):
            found += self._robot(look, number, course, names)
        for number, (thing, asset) in enumerate(self.things):
            names[thing, -1] = f"thing_{number:02d}"
            found.append(
                Body(
                    name=names[thing, -1],
                    asset=asset,
                    material=materials.for_object(look, asset),
                    world_from_body=course.paths[thing, -1],
                    velocity=course.velocities[thing, -1],
                    facts={"role": "thing", **self.playground.facts((thing, -1))},
                )
            )
        self.playground.close()
        label = {Playground.label(link): name for link, name in names.items()}
        rows = [replace(row, first=label[row.first], second=label[row.second]) for row in course.rows]
        self.touching = gather(rows, course.steps, STEP_RATE // frame_rate, frames)
        return tuple(found)

    def _robot(self, look: np.random.Generator, number: int, course: Course, names: dict[Link, str]) -> list[Body]:
        """The parts of a robot, its joints with the first. Notes the name of a part of every link: of a link without a
        shape it is one of the link that it hangs on."""
        robot, kind, size = self.robots[number]
        paint, links, whole = robots.paintwork(look, kind), self.playground.links(robot), f"{kind}_{number}"
        found: list[Body] = []
        for part, (link, _) in enumerate(robots.parts(kind)):
            key = robot, links[link]
            found.append(
                Body(
                    name=f"{whole}/{part:02d}_{link.replace('.', '_')}",
                    asset=robots.asset(kind, part, size),
                    material=paint[part],
                    world_from_body=course.paths[key],
                    velocity=course.velocities[key],
                    facts=self._link_facts(key, whole, link, size),
                    group=whole,
                    joints=() if part else self._joints(robot, course),
                )
            )
            names.setdefault(key, found[-1].name)
        for index in sorted(links.values()):
            shown = robot, index
            while shown not in names and shown[1] >= 0:
                shown = self.playground.parent(shown)
            names.setdefault((robot, index), names.get(shown, found[0].name))
        return found

    def _link_facts(self, link: Link, whole: str, name: str, size: float) -> dict[str, float | bool | str]:
        """A link has one mass, however many parts it is shown as."""
        facts = self.playground.facts(link)
        facts["link_mass"] = facts.pop("mass")
        return {"role": "robot", "robot": whole, "link": name, "size": size, **facts}

    def _joints(self, robot: int, course: Course) -> tuple[Joint, ...]:
        """A joint is where the frame of the link is that it moves."""
        return tuple(
            Joint(
                name=joint.name,
                kind="prismatic" if joint.slides else "revolute",
                place=course.paths[robot, joint.index][:, :3, 3],
                position=angle,
                lower=joint.lower,
                upper=joint.upper,
            )
            for joint, angle in zip(self.playground.joints(robot), course.angles[robot].T, strict=True)
        )

    def _movement(self, rng: np.random.Generator, kind: robots.Kind, robot: int) -> tuple[Drive, float]:
        """A drive and the radius about the robot's origin that it needs; arms keep off the floor."""
        for _ in range(TRIES):
            drive = robots.draw_drive(rng, kind, self.playground.joints(robot))
            boxes = []
            for seconds in CHECKED_SECONDS if kind.gait == "arm" else CHECKED_SECONDS[:1]:
                self.playground.pose(robot, drive, float(seconds))
                boxes.append(self.playground.box(robot, 1 if kind.gait == "arm" else -1))
            if kind.gait != "arm" or np.min(boxes, axis=0)[0, 2] > LEAST_HEIGHT:
                return drive, float(np.abs(np.stack(boxes)[..., :2]).max())
        raise RuntimeError(f"{kind.urdf}: no movement in {TRIES} tries keeps off the floor")

    def _free(self, rng: np.random.Generator, radius: float) -> tuple[float, float]:
        """A free disc of floor, the nearer to the middle the more room there is."""
        for half_width in np.linspace(0.3, HALF_WIDTH, TRIES):
            x, y = rng.uniform(-half_width, half_width, size=2).tolist()
            if all(np.hypot(x - u, y - v) > radius + r + GAP for u, v, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        raise RuntimeError(f"no free place of radius {radius:.2f} m in {TRIES} tries")
