"""Things come to rest: they neither sink into what bears them, nor tremble, nor roll or rock for ever."""

from dataclasses import replace

import numpy as np
import pytest

from generation import assets
from generation.convex import covering, hulls
from generation.scene import Asset
from generation.shapes import scaled
from vdpm.geometry import transform

FRAMES = 6


def large(asset_id: str, size: float) -> Asset:
    """One of the shapes that come with the packages."""
    asset = assets.by_id(asset_id)
    pieces = tuple(corners * np.float32(size) for corners in asset.pieces)
    return replace(asset, mesh=scaled(asset.mesh, size), pieces=pieces)


def world(asset: Asset, path: np.ndarray) -> np.ndarray:
    """Vertices at all frames."""
    return transform(path[:, None], asset.mesh.vertices[None].astype(np.float64))


@pytest.fixture(scope="module")
def heap(tmp_path_factory):
    """Vertices (T, V, 3) of nine things that fell upon each other some seconds before."""
    from generation.physics import Simulation

    rng = np.random.default_rng(1)
    simulation = Simulation(tmp_path_factory.mktemp("heap"), frames=FRAMES, frame_rate=12, floor_half_width=20.0)
    names = ("duck", "mug", "teddy", "lego", "random/982", "random/583", "random/005", "random/322", "random/739")
    things = {}
    for name in names:
        asset = large(f"pybullet/{name}", rng.uniform(0.8, 2.0))
        body = simulation.add(asset, density=250.0)
        simulation.place(body, ((-2.0, -2.0, 0.0), (2.0, 2.0, 12.0)), rng)
        body.friction, body.restitution = 0.5, 0.0
        things[name] = asset, body
    simulation.settle(100)
    for _, body in things.values():
        body.restitution = 0.5
    course = simulation.run()
    simulation.close()
    return {name: world(asset, course.paths[body.uid]) for name, (asset, body) in things.items()}


def test_what_is_shown_of_things_at_rest_is_not_in_the_floor(heap):
    lowest = {name: vertices[..., 2].min() for name, vertices in heap.items()}
    assert min(lowest.values()) > -0.001, lowest


def test_things_at_rest_do_not_tremble(heap):
    steps = {name: np.linalg.norm(np.diff(vertices, axis=0), axis=-1).max() for name, vertices in heap.items()}
    assert max(steps.values()) < 0.001, steps


def test_what_rolls_comes_to_rest(tmp_path):
    """A ball that is pushed is slowed, by no more than the rolling friction's lever times g over 7/5 of its radius."""
    from generation.physics import ROLLING, Simulation

    simulation = Simulation(tmp_path, frames=13, frame_rate=12, floor_half_width=20.0)
    ball = simulation.add(large("procedural/sphere/0", 1.0), density=250.0)
    ball.position, ball.friction, ball.restitution = (0.0, 0.0, 0.5), 1.0, 0.0
    ball.velocity, ball.angular_velocity = (1.0, 0.0, 0.0), (0.0, 2.0, 0.0)
    speed = simulation.run().velocities[ball.uid][:, 0, 0]
    simulation.close()
    damped, most = 0.04, ROLLING * 9.81 / (1.4 * 0.5)  # Bullet damps by 4 % a second
    assert 0.4 * most < speed[0] - speed[-1] - damped < 1.05 * most


def test_what_falls_off_the_floor_is_dropped_again(tmp_path, monkeypatch):
    """Some of the region, then all of it, is beyond the edge."""
    from generation.crowd import DROPS, Crowd
    from generation.physics import Simulation

    settle, settled, floor = Simulation.settle, [], 2.0

    def counted(simulation: Simulation, frames: int) -> None:
        settled.append(settle(simulation, frames))

    monkeypatch.setattr(Simulation, "settle", counted)
    for name in ("edge", "beside"):
        (tmp_path / name).mkdir()
    crowd = Crowd.on_floor(tmp_path / "edge", FRAMES, floor)
    crowd.rest(np.random.default_rng(0), 3, ((0.0, -1.0, 0.0), (3.0, 1.0, 1.0)), (0.4, 0.6))
    places = np.stack([body.world_from_body[-1, :3, 3] for body in crowd.bodies(np.random.default_rng(0))[1:]])
    assert (np.abs(places[:, :2]) < floor).all() and (places[:, 2] > 0).all()
    assert 1 < len(settled) < DROPS
    with pytest.raises(RuntimeError, match="off the floor"):
        Crowd.on_floor(tmp_path / "beside", FRAMES, floor).rest(
            np.random.default_rng(0), 1, ((3.0, -1.0, 0.0), (5.0, 1.0, 1.0)), (0.4, 0.6)
        )


def test_pieces_cover_what_is_shown():
    for name in assets.CONVEX:
        asset = assets.model(name)
        planes = [(hull.facets_normal, hull.facets_origin) for hull in hulls(asset)]
        outside = [
            np.einsum("vfa,fa->vf", asset.mesh.vertices[:, None] - origin, normal).max(axis=1)
            for normal, origin in planes
        ]
        assert np.min(outside, axis=0).max() < 1e-4, name


def test_covering_grows_the_nearest_part_alone():
    cube = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    first, second = covering(np.array([[0.5, 0.5, 1.2], [3.5, 0.5, 0.5]]), (cube, cube + [3.0, 0.0, 0.0]))
    np.testing.assert_array_equal(first, [*cube, [0.5, 0.5, 1.2]])
    np.testing.assert_array_equal(second, cube + [3.0, 0.0, 0.0])
    assert covering(cube, ()) == ()


def test_feet_of_robots_stand_on_the_floor():
    """Their files call them soft, so soft that they would stand centimetres deep."""
    from generation.playground import Drive
    from generation.workshop import Workshop

    workshop, rng = Workshop(), np.random.default_rng(0)
    workshop.add_robot(rng, "vision")
    playground, robot = workshop.playground, workshop.robots[0][0]
    joints, drive, force = playground.drives[robot]
    idle = Drive(**{**vars(drive), "amplitude": 0 * drive.amplitude})
    playground.drives[robot] = joints, idle, force
    bodies = workshop.bodies(rng, frames=6, frame_rate=12)
    lowest = {body.name: world(body.asset, body.world_from_body)[..., 2].min() for body in bodies}
    assert -0.0005 < min(lowest.values()) < 0.005, lowest


@pytest.mark.slow
def test_soft_things_sink_into_what_is_hollow(tmp_path):
    """A cloth over a ring: its middle hangs lower than the ring's top, which a hull would not allow."""
    from generation.softbody import SPRING_RATE, Cloth, SoftWorld
    from generation.softshapes import grid
    from vdpm.geometry import rigid

    ring = large("procedural/torus/5", 1.2)
    top = float(np.ptp(ring.mesh.vertices[:, 2]))
    rest, faces = grid(16, 1.6, 1.6)
    lump = 0.5 / len(rest)
    soft = SoftWorld(tmp_path)
    soft.add_rigid(ring, 60.0, rigid(np.eye(3), np.array([0.0, 0.0, top / 2])), "ring")
    sheet = Cloth(
        vertices=rest + [0.0, 0.0, top + 0.05],
        faces=faces,
        mass=0.5,
        stiffness=SPRING_RATE * lump,
        bending=0.01 * SPRING_RATE * lump,
        damping=0.04 * np.sqrt(SPRING_RATE) * lump,
    )
    soft.add_soft(sheet, np.zeros(3))
    course = soft.run(18, 12)
    soft.close()
    last = course.motions[0][-1]
    assert last[np.linalg.norm(last[:, :2], axis=1) < 0.1, 2].max() < top - 0.005
    lowest = world(ring, course.paths[0])[..., 2].min()
    assert lowest > -0.001
