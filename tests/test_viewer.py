"""The viewer page: what is packed comes back, it fits, nothing is fetched, names are text, a browser draws it."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny import tiny_clip
from vdpm.errors import UserError
from vdpm.viewer.maps import cloud_of_clip, off_edges, some_tracks
from vdpm.viewer.pack import ABSENT, box_around, pack, ranks, unpack
from vdpm.viewer.scene import Cloud, ViewerScene
from vdpm.viewer.write import viewer_page, write_viewer

CLIP = tiny_clip(frames=4)
CLOUD = cloud_of_clip("truth", CLIP)
SCENE = ViewerScene(title="a clip", clouds=(CLOUD,), frames=CLIP.rgb)
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> @@DATA@@ & \u2028"
CHROMIUM = shutil.which("chromium")


def data_of(page: bytes) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.decode(), re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 3), (4, 0, 2)])
def test_packing_loses_nothing(kind, shape):
    rng = np.random.default_rng(0)
    for values in (rng.integers(0, np.iinfo(kind).max, shape, endpoint=True).astype(kind), np.ones(shape, kind)):
        np.testing.assert_array_equal(unpack(pack(values)), values)


def test_positions_come_back_to_half_a_step_and_what_is_far_or_unknown_is_absent():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(2, 500, 3)).astype(np.float32)
    points[0, 0], points[1, 1] = np.nan, 1e4
    box = box_around(points)
    packed = box.quantise(points)
    assert (packed[0, 0] == ABSENT).all() and (packed[1, 1] == ABSENT).all()
    there = (packed != ABSENT).all(axis=-1)
    assert there.sum() == 998
    assert np.abs(box.low + box.step * packed[there] - points[there]).max() <= box.step.max() * 0.51 < 1e-3


def test_ranks_keep_the_order_and_unknown_is_last():
    np.testing.assert_array_equal(ranks(np.array([[1.0, 1e9, np.nan, 2.0]], np.float32)), [[0, 170, 0, 85]])


def test_the_page_holds_the_points_the_cameras_and_the_tracks():
    data = data_of(viewer_page(SCENE))
    cloud = data["clouds"][0]
    place = np.array(data["low"]) + np.array(data["step"]) * unpack(cloud["points"])
    seen = np.isfinite(CLOUD.points).all(axis=-1)
    assert np.abs(place - CLOUD.points)[seen].max() < 0.01
    np.testing.assert_array_equal(unpack(cloud["colours"]), CLOUD.colours)
    np.testing.assert_allclose(np.reshape(cloud["poses"], (-1, 4, 4)), CLIP.cameras.world_from_camera, atol=1e-4)
    assert CLOUD.tracks is not None and cloud["tracks"]["shape"] == list(CLOUD.tracks.shape)
    assert len(data["frames"]) == len(CLIP.rgb)


def test_a_small_page_is_thinned_and_one_too_small_is_an_error():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(6, 20000, 3)).astype(np.float32)
    cloud = Cloud(name="noise", points=points, colours=rng.integers(0, 255, (6, 20000, 3)).astype(np.uint8))
    page = viewer_page(ViewerScene(title="noise", clouds=(cloud, cloud)), max_bytes=900_000)
    assert 700_000 < len(page) <= 900_000
    assert 0 < data_of(page)["clouds"][1]["points"]["shape"][1] < 20000
    with pytest.raises(UserError, match="1000 bytes"):
        viewer_page(SCENE, max_bytes=1000)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_names_are_text_and_nothing_is_fetched():
    page = viewer_page(replace(SCENE, title=EVIL, note=EVIL, clouds=(replace(CLOUD, name=EVIL),))).decode()
    tags = Tags()
    tags.feed(page)
    assert [tag for tag, _ in tags.found].count("script") == 3
    assert not [attributes for _, attributes in tags.found if {"src", "href", "onerror"} & attributes.keys()]
    policy = next(attributes["content"] for _, attributes in tags.found if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
    assert data_of(page.encode())["clouds"][0]["name"] == EVIL


def test_clouds_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="same times"):
        viewer_page(
            replace(SCENE, clouds=(CLOUD, replace(CLOUD, points=CLOUD.points[:2], confidence=None, tracks=None)))
        )


def test_edges_are_found_where_depth_jumps():
    depth = np.full((1, 4, 6), 2.0)
    depth[:, :, 3:] = 5.0
    np.testing.assert_array_equal(off_edges(depth)[0, 0], [True, True, False, False, True, True])


def test_tracks_are_those_that_move():
    world = np.zeros((3, 48, 48, 3), np.float32)
    world[:, :, 24:, 0] += np.arange(3)[:, None, None]
    world[1, :24] = np.nan
    tracks = some_tracks(world)
    assert tracks.shape == (3, 12 * 12, 3) and (np.ptp(tracks, axis=0)[:, 0] == 2).all()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_draws_it(tmp_path: Path):
    """The middle of the view through the first camera has the colours of the first frame."""
    assert CHROMIUM
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    write_viewer(page, replace(SCENE, title=EVIL))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-background-networking", "--use-angle=swiftshader",
               "--enable-unsafe-swiftshader", "--virtual-time-budget=3000", "--window-size=900,700",
               f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    asked = [*command, f"--screenshot={picture}", f"{page.as_uri()}#time=1&ride=1&theme=dark"]
    subprocess.run(asked, capture_output=True, timeout=120, check=True)
    drawn = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    box = np.abs(drawn - [200, 80, 60]).max(axis=-1) < 8
    floor = np.abs(drawn - [120, 110, 100]).max(axis=-1) < 8
    assert box.sum() > 1000 and floor.sum() > 10000
