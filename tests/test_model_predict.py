"""Videos in, predictions out: what the network sees, and that its answers land on the pixels they are about."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.predictions import check
from benchmark.registry import find_method, start
from tests.network import stressed
from vdpm.clip import Video
from vdpm.errors import UserError
from vdpm.geometry import pixel_centres, project, transform, unproject
from vdpm.model.frames import Fit, fit
from vdpm.model.model import Model
from vdpm.model.predict import cameras, predict
from vdpm.model.sizes import FULL, TINY
from vdpm.model.weights import write_network

MODEL = Model(network=stressed(), device=torch.device("cpu"), bfloat16=False)
SIZES = [(24, 32), (32, 24), (56, 56), (13, 97), (97, 13), (480, 854), (1, 1)]


def video(height: int, width: int, frames: int = 3, sources: tuple[int, ...] = (0, 2)) -> Video:
    ramp = np.linspace(0, 200, height * width * 3).reshape(height, width, 3)
    rgb = np.stack([np.roll(ramp, 3 * frame, axis=1) for frame in range(frames)]).astype(np.uint8)
    return Video(rgb=rgb, sources=sources)


@pytest.mark.parametrize(
    ("size", "image", "shown"),
    [
        ((1080, 1920), (294, 518), (294, 518)),
        ((480, 640), (392, 518), (392, 518)),
        ((128, 128), (518, 518), (518, 518)),
        ((1920, 1080), (518, 518), (518, 294)),
        ((10, 2000), (14, 518), (14, 518)),
    ],
)
def test_images_are_as_the_network_wants_them(size: tuple[int, int], image, shown):
    place = fit(*size, FULL)
    assert place.image == image and place.shown == shown


def test_nothing_of_a_portrait_is_cropped():
    rgb = np.zeros((1, 40, 20, 3), np.uint8)
    rgb[0, 0, 0], rgb[0, -1, -1] = 255, 255
    place = fit(40, 20, TINY)
    images = place.images(rgb)
    assert images.shape == (1, 1, 3, 56, 56)
    assert images[..., 14].max() > 0.5 and images[..., 41].max() > 0.5  # two corners of the frame
    assert (images[..., :14] == 1).all() and (images[..., 42:] == 1).all()
    assert images[..., 14:42].min() == 0


@pytest.mark.parametrize("size", SIZES)
def test_maps_come_back_to_the_pixels_they_are_about(size: tuple[int, int]):
    """A map that holds its own place in the image answers each pixel with the place of its centre, half a pixel off at most."""
    place = fit(*size, TINY)
    rows, columns = place.image
    u, v = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    back = place.back(np.stack([u, v, np.zeros_like(u)], axis=-1))
    assert back.shape == (*size, 3)
    scale = np.array([size[1] / place.shown[1], size[0] / place.shown[0]])
    there = (back[..., :2] - np.array([place.padding[1], place.padding[0]])) * scale
    assert (np.abs(there - pixel_centres(*size)) <= 0.5 * scale + 1e-9).all()


@pytest.mark.parametrize("size", SIZES)
def test_intrinsics_come_back_with_the_pixels(size: tuple[int, int]):
    """What the network's camera sees at a pixel of its image, the camera of the video sees at the same place of the frame."""
    place = fit(*size, TINY)
    rows, columns = place.image
    K = np.array([[60.0, 0, columns / 2], [0, 50.0, rows / 2], [0, 0, 1]])
    top, left = place.padding
    u, v = left + 3, top + 5  # a pixel: the network means its centre when it says (3, 5)
    ray = np.linalg.inv(K) @ [u, v, 1.0]
    found = project(ray[None, None], place.intrinsics(K))[0, 0]
    scale = np.array([size[1] / place.shown[1], size[0] / place.shown[0]])
    np.testing.assert_allclose(found, (np.array([3.5, 5.5])) * scale)


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (30, 30)])
@pytest.mark.parametrize("sources", [(0, 2), (1,), ()])
def test_a_prediction_is_what_a_method_answers(size, sources):
    asked = video(*size, sources=sources)
    answer = predict(MODEL, asked)
    assert answer.depth is not None
    check(replace(answer, depth=np.abs(answer.depth) + 0.1), asked)  # random weights do not know what is in front
    again = predict(MODEL, asked)
    for field in ("K", "world_from_camera", "depth", "points"):
        np.testing.assert_array_equal(getattr(answer, field), getattr(again, field))


@pytest.mark.parametrize("size", [(28, 56), (56, 28)])
def test_a_prediction_is_what_the_network_says(size):
    """At sizes that need no resizing, padding apart."""
    asked = video(*size, sources=(2, 0))
    answer = predict(MODEL, asked)
    pixels = torch.from_numpy(asked.rgb).permute(0, 3, 1, 2)[None] / 255
    columns = slice(14, 42) if size[0] > size[1] else slice(None)
    images = torch.ones(1, 3, 3, size[0], 56)
    images[..., columns] = pixels
    for time in range(3):
        (p, _), (q, _), steps = MODEL.network(images, torch.full((1, 3), time))
        assert answer.points is not None and answer.depth is not None and answer.world_from_camera is not None
        np.testing.assert_allclose(answer.points[:, time], q[0, [2, 0], :, columns], atol=1e-4)
        camera_from_world, _ = cameras(MODEL.encode(images))
        depth = transform(camera_from_world[time], p[0, time, :, columns].double().numpy())[..., 2]
        np.testing.assert_allclose(answer.depth[time], depth, atol=1e-4)
        np.testing.assert_allclose(camera_from_world[time] @ answer.world_from_camera[time], np.eye(4), atol=1e-9)
        np.testing.assert_allclose(camera_from_world[time][:3, 3], steps[-1][0, time, :3], atol=1e-5)


def test_points_depth_and_cameras_agree_where_the_network_does():
    """A point map made from a depth map and K is read back as that depth, through resizing and padding."""
    place = replace(fit(40, 20, TINY), video=(56, 28))
    K = np.array([[70.0, 0, 28.0], [0, 65.0, 28.0], [0, 0, 1]])
    v, u = np.mgrid[0:56, 0:56].astype(float)
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K).T  # as the network counts: from the centre
    depth = 2.0 + 0.1 * u
    points = place.back(rays * depth[..., None])
    np.testing.assert_allclose(unproject(points[..., 2], place.intrinsics(K)), points, atol=1e-9)


def test_fit_is_said_in_one_place():
    assert fit(24, 32, TINY) == Fit(video=(24, 32), shown=(42, 56), padding=(0, 0), image=(42, 56))


def test_the_method_reads_the_weights_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_network(stressed(), tmp_path)
    monkeypatch.setenv("VDPM_WEIGHTS", str(tmp_path))
    asked = video(24, 32)
    answer = start(find_method("vdpm"))(asked, None)
    expected = predict(MODEL, asked)
    assert answer.points is not None and expected.points is not None
    if not torch.cuda.is_available():
        np.testing.assert_array_equal(answer.points, expected.points)


def test_a_method_without_its_weights_says_what_to_download(monkeypatch: pytest.MonkeyPatch):
    from vdpm.model import hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setenv("VDPM_WEIGHTS", "edgarsucar/vdpm")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub.HfApi, "model_info", unreachable)
    with pytest.raises(UserError, match="download model.pt from https://huggingface.co/edgarsucar/vdpm") as error:
        start(find_method("vdpm"))
    assert re.search("VDPM_WEIGHTS", str(error.value)) and "\n" not in str(error.value)
    assert "benchmark.methods.vdpm" in sys.modules


def test_the_method_starts_from_what_the_package_brings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VDPM_WEIGHTS", raising=False)
    asked = video(96, 96, frames=2, sources=(0, 1))
    answer = start(find_method("vdpm"))(asked, None)
    check(answer, asked)
