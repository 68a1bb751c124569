"""Motion blur and depth of field: what they do to images, and that they do nothing to the truth."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from generation.optics import focus
from generation.scene import Body, Scene
from tests.blender_optics import SHUTTER, STEP
from vdpm.clip import Cameras
from vdpm.geometry import rigid

FAMILY = """
from generation.make import Recipe, make_clip
from vdpm.storage import encode
recipe = dict(seed=3, resolution=(48, 32), frames=2, samples=1)
plain = encode(make_clip("creature", 0, Recipe(**recipe)))
blurred = encode(make_clip("creature", 0, Recipe(**recipe, motion_blur=0.9, depth_of_field=0.1)))
differ = {name for name in plain if plain[name] != blurred[name]}
assert plain.keys() == blurred.keys()
assert differ == {"meta.json", "rgb.0000.jpg", "rgb.0001.jpg"}, differ
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    out = tmp_path_factory.mktemp("optics") / "images.npz"
    subprocess.run([sys.executable, "-m", "tests.blender_optics", str(out)], check=True, capture_output=True)
    with np.load(out, allow_pickle=False) as arrays:
        return {name: arrays[name].mean(axis=-1) for name in arrays}


def edge(image: np.ndarray) -> np.ndarray:
    """Brightness across the left edge of the slab, from the floor to the slab."""
    return image[20:28, 18:32].mean(axis=0)


def test_the_smear_is_as_long_as_the_way_in_the_open_shutter(images):
    """60 pixels of focal length over 4 m of depth; its slope is the contrast over the length."""
    sharp, blurred = edge(images["sharp"]), edge(images["by_pose"])
    contrast = sharp[4] - sharp[-1]
    assert contrast / -np.diff(blurred).min() == pytest.approx(SHUTTER * STEP * 60 / 4.0, abs=0.7)
    assert contrast / -np.diff(sharp).min() < 2.5


def test_blur_is_the_mean_of_the_moments_around_the_frame(images):
    """Light adds up before tone mapping, the moments after it, which leaves a few steps of 255 between them."""
    blurred, moments, sharp = (edge(images[name]) for name in ("by_pose", "moments", "sharp"))
    assert np.abs(blurred - moments).max() < 12 < 20 < np.abs(sharp - moments).max()


def test_vertices_that_move_smear_as_poses_do(images):
    assert np.abs(images["by_pose"] - images["by_vertices"]).mean() < 0.5


def test_what_is_in_focus_is_sharp(images):
    assert np.abs(edge(images["focused"]) - edge(images["sharp"])).max() < 5
    assert np.ptp(edge(images["unfocused"])) < 0.2 * np.ptp(edge(images["focused"]))


@pytest.mark.slow
def test_ground_truth_is_the_same_bytes():
    done = subprocess.run([sys.executable, "-c", FAMILY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def test_focus_follows_the_body_that_moves_most():
    from generation import assets, materials
    from generation.lights import draw_light

    still = np.tile(np.eye(4), (3, 1, 1))
    ahead = rigid(np.tile(np.eye(3), (3, 1, 1)), np.array([[0.0, 0.0, 4.0], [0.5, 0.0, 5.0], [1.0, 0.0, 6.0]]))
    ball, look = assets.procedural("sphere", 0), materials.uniform(0.5, 0.5)
    bodies = tuple(
        Body(name=name, asset=ball, material=look, world_from_body=path, facts={"role": "thing"})
        for name, path in (("fixed", still), ("flying", ahead))
    )
    K = np.tile(np.array([[20.0, 0.0, 10.0], [0.0, 20.0, 10.0], [0.0, 0.0, 1.0]]), (3, 1, 1))
    scene = Scene(family="test", bodies=bodies, cameras=Cameras(K=K, world_from_camera=still), resolution=(20, 20),
                  light=draw_light(np.random.default_rng(0)), frame_rate=12)  # fmt: skip
    seen = np.zeros((3, 20, 20), np.int32)
    seen[:, :, 10:] = len(ball.mesh.faces)
    np.testing.assert_allclose(focus(scene, seen), [4.0, 5.0, 6.0], atol=1e-2)
    resting = replace(scene, bodies=(bodies[1], bodies[1]))
    assert focus(resting, seen).shape == (3,)
