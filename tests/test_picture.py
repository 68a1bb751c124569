"""Pictures of clips: their colours mean what they say, and the command makes them from shards alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.tiny import tiny_clip
from vdpm import colouring, picture
from vdpm.storage import encode, write_shard

CLIP = tiny_clip(frames=4)


def test_near_is_red_far_is_blue_unknown_is_grey():
    colours = colouring.depth_picture(np.array([[1.0, 6.0, 10.0, np.nan]]))
    assert colours[0, 0, 0] > colours[0, 0, 2]
    assert colours[0, 1, 2] >= colours[0, 1, 0]
    np.testing.assert_array_equal(colours[0, 3], colouring.UNKNOWN)


def test_opposite_flows_have_opposite_hues_and_no_flow_is_white():
    colours = colouring.flow_picture(np.array([[[5.0, 0.0], [-5.0, 0.0], [0.0, 0.0], [np.nan, np.nan]]])).astype(int)
    np.testing.assert_allclose(colours[0, 0] + colours[0, 1], 255, atol=3)
    assert colours[0, 2].min() > 250 and colours[0, 3].max() == colouring.UNKNOWN


def test_bodies_have_colours_of_their_own():
    colours = colouring.body_picture(np.array([[-1, 0, 1, 2, 3]], np.int32))[0]
    assert len({tuple(colour) for colour in colours.tolist()}) == 5


def test_a_sheet_has_five_rows_and_a_strip_one():
    assert picture.sheet(CLIP, 3).shape == (5 * 24, 3 * 32, 3)
    np.testing.assert_array_equal(picture.strip(CLIP, 4), np.concatenate(list(CLIP.rgb), axis=1))


def test_the_command_on_one_shard_and_on_two(tmp_path: Path):
    for name in ("a", "b"):
        write_shard(tmp_path / f"{name}.tar", [(CLIP.name, encode(CLIP))])
    command = [sys.executable, "-m", "vdpm.picture", "--columns", "2", "--out", str(tmp_path / "out.png")]
    subprocess.run([*command, str(tmp_path / "a.tar")], check=True, capture_output=True)
    assert Image.open(tmp_path / "out.png").size == (64, 120)
    subprocess.run([*command, str(tmp_path / "a.tar"), str(tmp_path / "b.tar")], check=True, capture_output=True)
    assert Image.open(tmp_path / "out.png").size == (64, 48)
    wrong = subprocess.run(
        [*command, "--clip", "7", str(tmp_path / "a.tar")], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2 and "--clip 7" in wrong.stderr and wrong.stderr.count("\n") == 1
