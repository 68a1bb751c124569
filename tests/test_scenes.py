"""Every scene family: the seed fixes it, bodies are rigid, nothing sinks, cameras are clear, all has a licence."""

from dataclasses import replace

import numpy as np
import pytest

from generation import families
from generation.gate import coverage, refusal, travelled
from generation.scene import Body, Scene, surfaces
from vdpm.geometry import transform
from vdpm.raycast import triangles_seen

FRAMES = 6


def draw(family: str, seed: int, folder, resolution: tuple[int, int] = (64, 48)) -> Scene:
    """A scene in a scratch folder of its own."""
    folder.mkdir()
    return families.load(family)(np.random.default_rng(seed), FRAMES, resolution, folder)


@pytest.fixture(scope="module", params=families.names())
def scene(request, tmp_path_factory) -> Scene:
    """One scene of each family."""
    return draw(request.param, 3, tmp_path_factory.mktemp("scene") / "scratch")


def shapes(body: Body) -> np.ndarray:
    """Vertices in the body's frame, (T, V, 3) or, if it is rigid, (1, V, 3)."""
    return (body.asset.mesh.vertices[None] if body.shapes is None else body.shapes).astype(np.float64)


def test_the_seed_fixes_the_scene_whatever_the_resolution(scene, tmp_path):
    again, other = draw(scene.family, 3, tmp_path / "again", (96, 32)), draw(scene.family, 4, tmp_path / "other")
    assert [body.asset.id for body in scene.bodies] == [body.asset.id for body in again.bodies]
    assert [body.material for body in scene.bodies] == [body.material for body in again.bodies]
    for body, twin in zip(scene.bodies, again.bodies, strict=True):
        np.testing.assert_array_equal(body.world_from_body, twin.world_from_body)
        np.testing.assert_array_equal(shapes(body), shapes(twin))
    np.testing.assert_array_equal(scene.cameras.world_from_camera, again.cameras.world_from_camera)
    assert scene.light == again.light != other.light
    assert [body.asset.id for body in scene.bodies] != [body.asset.id for body in other.bodies]


def test_poses_are_rigid(scene):
    poses = np.concatenate([*(body.world_from_body for body in scene.bodies), scene.cameras.world_from_camera])
    rotation = poses[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ np.swapaxes(rotation, 1, 2), np.tile(np.eye(3), (len(poses), 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
    np.testing.assert_array_equal(poses[:, 3], np.tile([0.0, 0.0, 0.0, 1.0], (len(poses), 1)))


def test_shapes_names_and_licences(scene):
    assert scene.cameras.K.shape == (FRAMES, 3, 3)
    assert all(body.world_from_body.shape == (FRAMES, 4, 4) for body in scene.bodies)
    assert len({body.name for body in scene.bodies}) == len(scene.bodies)
    assert all(body.asset.licence for body in scene.bodies)


def test_nothing_sinks_into_the_floor(scene):
    lowest = {
        body.name: transform(body.world_from_body[:, None], shapes(body))[..., 2].min()
        for body in scene.bodies
        if body.facts["role"] != "ground"
    }
    assert min(lowest.values()) > -0.05, lowest


def test_joined_surfaces_keep_every_body(scene):
    joined = surfaces(scene)
    for number, body in enumerate(scene.bodies):
        faces = joined.faces[joined.face_start[number] : joined.face_start[number + 1]]
        np.testing.assert_array_equal(joined.vertices[faces], body.asset.mesh.vertices[body.asset.mesh.faces])


def test_kubric_f_follows_its_law(tmp_path):
    for seed in range(3):
        scene = draw("kubric_f", seed, tmp_path / str(seed))
        roles = [body.facts["role"] for body in scene.bodies]
        assert roles[0] == "ground" and roles.count("ground") == 1
        assert 10 <= roles.count("resting") <= 20 and 1 <= roles.count("tossed") <= 3
        tossed = np.array(roles) == "tossed"
        assert (travelled(scene)[tossed] > 0.2).all()
        sizes = [np.ptp(body.asset.mesh.vertices, axis=0).max() for body in scene.bodies[1:]]
        assert 0.749 < min(sizes) and max(sizes) < 3.001


def test_a_tossed_body_flies_a_parabola(tmp_path):
    """Second differences of free flight are gravity times the frame time squared."""
    from generation.assets import procedural
    from generation.physics import Simulation

    simulation = Simulation(tmp_path, frames=5, frame_rate=12, floor_half_width=10.0)
    ball = simulation.add(procedural("sphere", 0), density=100.0)
    ball.position, ball.velocity = (0.0, 0.0, 5.0), (1.0, -2.0, 3.0)
    path = simulation.run().paths[ball.uid][:, :3, 3]
    simulation.close()
    np.testing.assert_allclose(np.diff(path, 2, axis=0) * 12**2, [[0.0, 0.0, -9.81]] * 3, atol=0.25)  # Bullet damps


def test_scenes_that_show_too_little_are_refused(scene):
    height, width = scene.resolution[::-1]
    seen = triangles_seen(surfaces(scene), scene.cameras, height, width)
    assert coverage(scene, seen).sum() == pytest.approx((seen >= 0).mean())
    assert "things cover 0.0%" in (refusal(scene, np.full_like(seen, -1)) or "")
    frozen = tuple(
        replace(body, world_from_body=np.tile(body.world_from_body[:1], (FRAMES, 1, 1)), shapes=None)
        for body in scene.bodies
    )
    everything = np.resize(
        np.arange(surfaces(scene).face_start[1], surfaces(scene).face_start[-1], dtype=np.int32), seen.shape
    )
    moves = replace(scene, bodies=frozen, still=False)
    assert "moving things cover 0.0%" in (refusal(moves, everything) or "")


def test_a_camera_too_close_or_inside_something_is_refused_and_what_has_fallen():
    """A ball of 1 m around the camera, then a wall of it 10 cm ahead; and one that ends 10 cm deep in the floor."""
    from generation.assets import floor, procedural
    from generation.lights import draw_light
    from generation.materials import uniform
    from generation.scene import Body
    from tests.tiny import look_at
    from vdpm.clip import Cameras
    from vdpm.geometry import rigid

    def scene_with_ball_at(y: float, fall: float) -> Scene:
        K = np.array([[40.0, 0.0, 32.0], [0.0, 40.0, 24.0], [0.0, 0.0, 1.0]])
        pose = look_at(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]))
        ball = np.tile(rigid(np.eye(3), np.array([0.0, y, 1.0])), (2, 1, 1))
        ball[1, 2, 3] -= fall
        still = np.tile(np.eye(4), (2, 1, 1))
        assets = (floor(5.0), procedural("sphere", 0))
        bodies = tuple(
            Body(name=role, asset=asset, material=uniform(0.5, 0.5), world_from_body=path, facts={"role": role})
            for asset, path, role in zip(assets, (still, ball), ("ground", "thing"), strict=True)
        )
        return Scene(
            family="test", bodies=bodies, light=draw_light(np.random.default_rng(0)), resolution=(64, 48), frame_rate=12,
            cameras=Cameras(K=np.tile(K, (2, 1, 1)), world_from_camera=np.tile(pose, (2, 1, 1))), still=True,
        )  # fmt: skip

    def verdict(y: float, fall: float = 0.0) -> str | None:
        scene = scene_with_ball_at(y, fall)
        return refusal(scene, triangles_seen(surfaces(scene), scene.cameras, 48, 64))

    assert verdict(2.0) is None
    assert "comes within 0.10 m" in (verdict(0.6) or "")
    assert "from behind" in (verdict(0.1) or "")
    assert "reaches 0.10 m below the floor" in (verdict(2.0, fall=0.6) or "")
