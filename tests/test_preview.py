"""Previews of shards: a page and a movie, in a Python without Blender."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from generation.preview import Config, main, normal_picture
from tests.test_viewer import data_of
from tests.tiny import tiny_clip
from vdpm.errors import UserError
from vdpm.movies import read_movie
from vdpm.storage import encode, write_shard

CLIP = tiny_clip(frames=4)


def test_normals_point_where_their_colours_say():
    """Right, up, towards the camera; unknown is black."""
    normals = np.array([[[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [np.nan] * 3]])
    np.testing.assert_array_equal(
        normal_picture(normals)[0], [[255, 127, 127], [127, 255, 127], [127, 127, 255], [0, 0, 0]]
    )


def test_a_page_and_a_movie_of_each_clip(tmp_path: Path):
    write_shard(tmp_path / "a.tar", [(name, encode(CLIP)) for name in ("one", "two")])
    main(Config(shards=(tmp_path / "a.tar",), out=tmp_path / "out", clips=1, max_mb=2.0))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.html", "one.mp4"]
    page = (tmp_path / "out" / "one.html").read_bytes()
    data = data_of(page)
    assert len(page) <= 2_000_000 and "4 frames of 32x24, 2 bodies" in page.decode()
    assert [panel["name"] for panel in data["panels"]][:3] == ["depth", "normals", "bodies"] and len(
        data["panels"]
    ) == 5
    assert len(data["clouds"][0]["poses"]) == 4 and data["clouds"][0]["tracks"] is not None
    movie = [picture for _, picture in read_movie(tmp_path / "out" / "one.mp4")]
    assert len(movie) == 72 and movie[0].shape[1] == 3 * 256  # six seconds of twelve frames
    rgb = movie[0][14 : 14 + 192, :256].astype(int)
    enlarged = np.repeat(np.repeat(CLIP.rgb[0], 8, axis=0), 8, axis=1)
    assert np.abs(rgb - enlarged).mean() < 8


def test_without_blender(tmp_path):
    code = "import sys, generation.preview; assert not {'bpy', 'pybullet', 'kubric', 'torch'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_bad_values_are_one_line(tmp_path):
    (tmp_path / "bad.tar").write_bytes(b"")
    with pytest.raises(UserError, match="no shard named"):
        main(Config(shards=(), out=tmp_path))
    with pytest.raises(UserError, match="--clips 0"):
        main(Config(shards=(tmp_path / "bad.tar",), clips=0, out=tmp_path))
    with pytest.raises(UserError, match="cannot read shard"):
        main(Config(shards=(tmp_path / "bad.tar",), out=tmp_path))
