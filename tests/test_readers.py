"""Every reader on a miniature of its data set, written byte for byte by `tests.layouts`: what it gives is the truth."""

import numpy as np
import pytest

from tests.layouts import Scene, in_camera, scene
from tests.layouts_more import WRITERS
from vdpm import catalogue, derive
from vdpm.clip import Seen
from vdpm.geometry import invert, transform
from vdpm.raycast import visibility
from vdpm.recording import Recording

STEPS = {
    "bonn": 1 / 5000,
    "dynamic_replica": 2.0**-6,  # of float16 from 16 to 32
    "kitti": 1 / 256,
    "movi": 1e-5,
    "nrgbd": 1 / 1000,
    "pointodyssey": 1000 / 65535,
    "scannet": 1 / 1000,
    "seven_scenes": 1 / 1000,
    "shards": 1e-5,
    "sintel": 1e-5,
    "syn4d": 1e-5,
    "tum": 1 / 5000,
    "worldtrack:tum": 1e-5,
}
"""Metres from one depth to the next as the data set codes it; none where it has no depth."""
FARTHEST = {
    "bonn": 65535.5 / 5000,
    "kitti": 65535.5 / 256,
    "nrgbd": 10.0005,
    "pointodyssey": 999.0,
    "seven_scenes": 10.0005,
    "tum": 65535.5 / 5000,
}
NO_CAMERAS = {"frames", "kitti", "tapvid3d:adt"}
STILL_CAMERA = {"worldtrack:pstudio_mini"}
OWN_K = {"bonn", "seven_scenes", "tum"}
"""Data sets whose K is a constant of the data set."""
NO_K = {"scannet"}
LOSSY = {"dense4rc", "pointodyssey", "scannet", "shards", "syn4d", "tapvid3d", "worldtrack"}
TRACKED = {"dense4rc", "dynamic_replica", "movi", "pointodyssey", "shards", "syn4d", "tapvid3d", "worldtrack"}


@pytest.fixture(scope="module")
def made() -> Scene:
    return scene()


@pytest.fixture(scope="module")
def read(made, tmp_path_factory):
    """The one recording of a fixture, written and read once."""
    there: dict[str, Recording] = {}

    def once(name: str) -> Recording:
        if name not in there:
            root = tmp_path_factory.mktemp("data")
            WRITERS[name](root, made)
            (there[name],) = catalogue.load(name, root)
        return there[name]

    return once


def stem(name: str) -> str:
    return name.partition(":")[0]


def step(name: str) -> float | None:
    return STEPS.get(name, STEPS.get(stem(name)))


def test_every_data_set_has_a_fixture():
    assert {stem(name) for name in WRITERS} == set(catalogue.dataset_names())


@pytest.mark.parametrize("name", WRITERS)
def test_images(name, read, made):
    rgb = read(name).rgb
    assert rgb.shape == made.clip.rgb.shape
    error = np.abs(rgb.astype(int) - made.clip.rgb)
    assert error.mean() < 4 if stem(name) in LOSSY else not error.any()


@pytest.mark.parametrize("name", WRITERS)
def test_depth_to_the_step_of_the_format(name, read, made):
    """Known where it was known, within half a step; nothing else is claimed."""
    depth = read(name).depth
    if step(name) is None:
        assert depth is None
        return
    there = made.depth < FARTHEST.get(stem(name), np.inf)
    assert (np.isfinite(depth) == there).all() and there.mean() > 0.1
    assert np.nanmax(np.abs(depth - made.depth)) <= (step(name) or 0) * 0.5 + 1e-5


@pytest.mark.parametrize("name", WRITERS)
def test_cameras(name, read, made):
    """Poses relative to the first frame, since the world is free, and K with the corner at 0."""
    recording = read(name)
    if name in NO_CAMERAS:
        assert recording.world_from_camera is None
        return
    true, got = made.world_from_camera, recording.world_from_camera
    if name in STILL_CAMERA:
        assert (got == np.eye(4)).all()
        return
    assert np.allclose(invert(got[0]) @ got, invert(true[0]) @ true, atol=2e-6)
    assert np.allclose(np.linalg.det(got[:, :3, :3]), 1)
    if name in NO_K:
        assert recording.K is None
    elif stem(name) == "nrgbd":  # the focal length of the scene, but the evaluators' principal point
        assert np.allclose(recording.K[:, 0, 0], made.clip.cameras.K[:, 0, 0])
        assert np.allclose(recording.K[:, :2, 2], 64.5)
    elif stem(name) not in OWN_K:
        assert np.allclose(recording.K, made.clip.cameras.K, rtol=1e-6)


@pytest.mark.parametrize("name", WRITERS)
def test_tracks_are_seen_where_the_image_shows_them(name, read, made):
    """A visible track, projected into its frame, lies at the depth that the clip has there, half a pixel aside at most."""
    recording = read(name)
    assert (recording.tracks is not None) == (stem(name) in TRACKED)
    if recording.tracks is None:
        return
    camera = catalogue_in_camera(recording)
    assert recording.tracks.visible.any(axis=1).all()
    for t in range(len(camera)):
        seen = recording.tracks.visible[t]
        uvw = camera[t, seen] @ made.clip.cameras.K[t].T
        column, row = np.floor(uvw[:, :2] / uvw[:, 2:]).astype(int).T
        near = np.abs(made.depth[t, row, column] - camera[t, seen, 2]) < 0.05 * camera[t, seen, 2]
        assert near.mean() > 0.9
    if recording.tracks.queries is not None:
        u, v, frame = recording.tracks.queries.T
        index = np.arange(len(frame))
        there = camera[frame.astype(int), index] @ made.clip.cameras.K[0].T
        assert np.allclose(there[:, :2] / there[:, 2:], np.stack([u, v], axis=1), atol=1e-2)


def catalogue_in_camera(recording: Recording) -> np.ndarray:
    assert recording.tracks is not None
    positions = recording.tracks.positions.astype(np.float64)
    if recording.world_from_camera is None:
        return positions
    return transform(invert(recording.world_from_camera)[:, None], positions)


def test_worlds_agree_with_what_is_followed(read, made):
    """Without extrinsics tracks stay in the camera of each time; nothing is invented."""
    recording = read("tapvid3d:adt")
    assert np.allclose(recording.tracks.positions, in_camera(made), atol=1e-5)
    assert recording.known == {"K"}


def test_kubrics_things_are_followed(read, made):
    """Object coordinates carry the pixels of the first frame to where the meshes go, and hide what the meshes hide."""
    tracks = read("movi").tracks
    source, last = derive.hits(made.clip, 0), len(made.clip.rgb) - 1
    expected = derive.points(made.clip, source, last).reshape(-1, 3)
    known = np.isfinite(expected[:, 0])
    assert (np.isfinite(tracks.positions[last, :, 0]) == known).all()
    assert np.abs(tracks.positions[last] - expected)[known].max() < 2e-3
    seen = (visibility(made.clip, source, last) == Seen.VISIBLE).ravel()
    assert (tracks.visible[last] == seen)[known].mean() > 0.97
