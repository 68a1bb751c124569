"""Methods of the textbook: flow that finds a known shift, cameras and depth of a scene whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.align import l1_scale, similarity
from benchmark.classical import flow, structure
from benchmark.methods import vggt
from benchmark.metrics import end_point_error
from benchmark.protocols import PROTOCOLS
from benchmark.registry import find_method, start
from benchmark.scoring import show, truth_of
from benchmark.suites import find_suite, read_suite
from tests.network import images, stressed
from vdpm.clip import Video
from vdpm.geometry import invert, pixel_centres, project, rigid, transform, unproject
from vdpm.model.model import Model

HEIGHT, WIDTH = 96, 128


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth noise with detail at all scales, 0 to 255."""
    import cv2

    image = sum(cv2.resize(rng.normal(size=(height // 2**k, width // 2**k)), (width, height), interpolation=cv2.INTER_CUBIC)
                for k in range(1, 5))  # fmt: skip
    return np.clip(128 + 40 * np.asarray(image), 0, 255)


def shifted(shift: tuple[int, int], frames: int) -> np.ndarray:
    """A picture that slides by whole pixels from frame to frame."""
    du, dv = shift
    big = texture(np.random.default_rng(0), HEIGHT + 64, WIDTH + 64)
    crops = [big[32 - dv * t : 32 - dv * t + HEIGHT, 32 - du * t : 32 - du * t + WIDTH] for t in range(frames)]
    return np.repeat(np.stack(crops)[..., None], 3, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("estimator", [flow.dis, flow.farneback])
def test_flow_finds_a_shift_and_its_sign(estimator):
    found = flow.flows(shifted((3, -2), 2), estimator())
    middle = (slice(24, -24), slice(24, -24))
    np.testing.assert_allclose(np.median(found.forward[0][middle], axis=(0, 1)), [3, -2], atol=0.1)
    np.testing.assert_allclose(np.median(found.backward[0][middle], axis=(0, 1)), [-3, 2], atol=0.1)


def test_paths_chain_either_way_and_end_at_the_border():
    found = flow.flows(shifted((3, -2), 6), flow.dis())
    pixels = np.array([[64.5, 48.5], [126.5, 48.5]])
    paths = flow.follow(found, 2, pixels)
    np.testing.assert_allclose(paths.places[:, 0] - pixels[0], np.outer(np.arange(6) - 2, [3, -2]), atol=0.5)
    assert paths.seen[:, 0].all() and paths.seen[2].all() and not paths.seen[3:, 1].any()


def test_sampling_is_exact_on_a_ramp_between_centres():
    centres = pixel_centres(7, 9)
    inside = np.array([[0.5, 0.5], [3.25, 6.5], [8.5, 2.75]])
    np.testing.assert_allclose(flow.sample(centres.astype(np.float32), inside), inside, atol=1e-6)
    np.testing.assert_allclose(flow.sample(centres.astype(np.float32), np.array([[-4.0, 99.0]])), [[0.5, 6.5]])


@pytest.fixture(scope="module")
def walk() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A camera that moves sideways past a textured wall with an edge: frames, depth, K, world_from_camera, all exact."""
    frames, focal = 8, float(WIDTH)
    K = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]])
    steps = np.linspace(0, 1.0, frames)
    centres = np.stack([steps, 0.3 * steps**2, 0.2 * steps], axis=-1)
    angle = 0.1 * steps
    turn = np.stack([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in angle])
    poses = rigid(turn, centres)
    wall = texture(np.random.default_rng(1), 1024, 1024)
    rgb, depth = [], []
    for pose in poses:
        ray = unproject(np.ones((HEIGHT, WIDTH)), K) @ pose[:3, :3].T
        origin = pose[:3, 3]
        sides = [(6.0 + a * origin[0] + 0.3 * origin[1] - origin[2]) / (ray[..., 2] - a * ray[..., 0] - 0.3 * ray[..., 1])
                 for a in (0.6, -0.6)]  # fmt: skip
        z = np.maximum(*sides)
        place = origin + z[..., None] * ray  # on z = 6 + 0.6 |x| + 0.3 y
        at = np.clip(place[..., :2] * 60 + 512, 0.5, 1023.5).reshape(-1, 2)
        rgb.append(flow.sample(wall[..., None].astype(np.float32), at).reshape(HEIGHT, WIDTH, 1).repeat(3, axis=-1))
        depth.append(z)
    return np.stack(rgb).astype(np.uint8), np.stack(depth), K, poses


def test_structure_from_motion_finds_cameras_and_depth(walk):
    rgb, depth, K, poses = walk
    found = structure.solve(rgb)
    np.testing.assert_allclose(found.K[0], K)
    brought = similarity(found.world_from_camera[:, :3, 3], poses[:, :3, 3]).poses(found.world_from_camera)
    assert np.abs(brought[:, :3, 3] - poses[:, :3, 3]).max() < 0.02
    turned = found.world_from_camera[-1, :3, :3].T @ (invert(poses[0]) @ poses[-1])[:3, :3]
    assert np.degrees(np.arccos((np.trace(turned) - 1) / 2)) < 0.5
    scale = l1_scale(found.depth.ravel(), depth.ravel())
    assert np.median(np.abs(scale * found.depth / depth - 1)) < 0.02
    again = structure.solve(rgb)
    np.testing.assert_array_equal(found.world_from_camera, again.world_from_camera)


def test_two_views_are_enough(walk):
    """With true correspondences: flow over seven steps at once is too rough for the direction of so short a way."""
    _, depth, K, poses = walk
    world = transform(poses[0], unproject(depth[0], K))[::6, ::6]
    places = np.stack([project(transform(invert(pose), world), K).reshape(-1, 2) for pose in poses[[0, 7]]])
    second = structure._two_views(places, K, (HEIGHT, WIDTH))[1]
    expected = poses[7, :3, 3] / np.linalg.norm(poses[7, :3, 3])
    assert second[:3, 3] @ expected > np.cos(np.radians(0.5))
    assert np.abs(second[:3, :3] - poses[7, :3, :3]).max() < 0.005


def test_what_cannot_be_solved_is_a_blank_with_its_reason():
    answer = start(find_method("sfm"))
    for rgb, reason in ((shifted((0, 0), 1), "no parallax"), (np.zeros((3, HEIGHT, WIDTH, 3), np.uint8), "not solved")):
        told = answer(Video(rgb=rgb, sources=()), None)
        assert told.depth is None and told.points is None and reason in told.note


def test_still_points_are_the_unprojected_depth_in_the_first_camera(walk):
    rgb, depth, K, poses = walk
    first = invert(poses[0]) @ poses
    exact = structure.Solution(K=np.tile(K, (8, 1, 1)), world_from_camera=first, depth=depth.astype(np.float32))
    points = structure.still_points(exact, (5,))
    landed = project((points[0, 0] - first[5, :3, 3]) @ first[5, :3, :3], K)
    np.testing.assert_allclose(landed, pixel_centres(HEIGHT, WIDTH), atol=1e-3)


def test_flow_with_true_depth_beats_standing_still():
    clip, _ = next(iter(read_suite(find_suite("mini"))))
    task = PROTOCOLS["vdpm_pair8"].tasks(len(clip.rgb))[0]
    truth, video = truth_of(clip, task), show(clip, task)
    errors = {}
    for name in ("flow_lift_oracle", "still"):
        told = start(find_method(name))(video, truth)
        errors[name] = end_point_error((0, 1), True, truth, told).value
    assert find_method("flow_lift_oracle").reference
    assert errors["flow_lift_oracle"] < 0.8 * errors["still"]


# The static half of the network


def fresh() -> Model:
    from vdpm.model.network import Network

    network = Network(stressed().sizes)
    network.load_state_dict(stressed().state_dict())
    return Model(network=network.eval().requires_grad_(False), device=torch.device("cpu"), bfloat16=False)


def test_without_the_time_token_nothing_depends_on_it():
    """With it, everything does."""
    asked = Video(rgb=(images(1, 3, 56, 56)[0] * 255).byte().permute(0, 2, 3, 1).numpy(), sources=(0, 2))
    model = fresh()
    with_token = vggt.predict(model, asked)
    vggt.static(model.network)
    first = vggt.predict(model, asked)
    model.network.aggregator.time_conditioning_token.data += 1.0
    second = vggt.predict(model, asked)
    assert first.depth is not None and second.depth is not None and with_token.depth is not None
    np.testing.assert_array_equal(first.depth, second.depth)
    assert np.abs(first.depth - with_token.depth).max() > 1e-4
    assert first.points is not None
    np.testing.assert_array_equal(first.points[:, 0], first.points[:, 2])


def test_depth_of_the_static_half_is_that_of_its_points():
    asked = Video(rgb=(images(1, 3, 56, 56)[0] * 255).byte().permute(0, 2, 3, 1).numpy(), sources=(1,))
    told = vggt.predict(fresh(), asked)
    assert told.points is not None and told.depth is not None and told.world_from_camera is not None
    inside = (told.points[0, 1] - told.world_from_camera[1, :3, 3]) @ told.world_from_camera[1, :3, :3]
    np.testing.assert_allclose(inside[..., 2], told.depth[1], atol=1e-4)
    assert replace(told, note="x").note == "x"
