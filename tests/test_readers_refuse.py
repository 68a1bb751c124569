"""What readers refuse, and how: one line with the file and what was expected. And what recordings say of points."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests import layouts, layouts_more
from tests.layouts import Scene, scene
from vdpm import catalogue, derive
from vdpm.clip import Seen
from vdpm.errors import UserError
from vdpm.geometry import pixel_centres, project
from vdpm.recording import Recording, Tracks, truth


@pytest.fixture(scope="module")
def made() -> Scene:
    return scene(4)


def refused(name: str, root: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        list(catalogue.load(name, root))
    message = str(caught.value)
    assert "\n" not in message
    assert not [word for word in words if word not in message], message


def test_unknown_names(tmp_path):
    refused("sintle", tmp_path, "data set 'sintle'", "sintel", "vdpm/readers")
    refused("sintel:dirty", tmp_path, "variant of sintel 'dirty'", "clean")
    refused("sintel", tmp_path / "nowhere", "--data-root", "nowhere", "benchmark.data sintel")
    refused("sintel", tmp_path, "no sequence of sintel", "benchmark.data sintel")


def test_the_data_root_may_hold_several_data_sets(made, tmp_path):
    (tmp_path / "sintel").mkdir()
    layouts.sintel(tmp_path / "sintel", made)
    assert catalogue.sequences("sintel", tmp_path) == ["alley_2"]
    with pytest.raises(UserError, match="alley_3.*alley_2"):
        catalogue.read("sintel", tmp_path, "alley_3")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def test_sintel_truncated(made, tmp_path):
    layouts.sintel(tmp_path, made)
    depth = tmp_path / "training" / "depth" / "alley_2" / "frame_0003.dpt"
    cut(depth)
    refused("sintel", tmp_path, "frame_0003.dpt", "width x height float32", "bytes")
    depth.write_bytes(b"HEIP" + bytes(20))
    refused("sintel", tmp_path, "frame_0003.dpt", "202021.25")
    depth.unlink()
    refused("sintel", tmp_path, "frame_0003.dpt", "missing")


def test_two_sequences_of_one_name(made, tmp_path):
    """Names are made plain, and two that become one are told apart by the user."""
    for folder in ("a.b", "a_b"):
        layouts.save(made.clip.rgb[0], tmp_path, folder, "0.png")
    refused("frames", tmp_path, "a.b and a_b would have one name")


def test_images_that_are_none(made, tmp_path):
    layouts.kitti_prepared(tmp_path, made)
    (image,) = tmp_path.rglob("groundtruth_depth_gathered/*/0000000006.png")
    layouts.save(np.zeros((128, 128), np.uint8), image)
    refused("kitti", tmp_path, "0000000006.png", "16-bit grey")
    image.write_bytes(b"not an image")
    refused("kitti", tmp_path, "0000000006.png", "truncated or not")


def test_pickles_are_refused_with_a_way_out(made, tmp_path):
    """An npz whose images are an object array, as np.savez makes of a list of arrays of several lengths."""
    (tmp_path / "adt").mkdir()
    fields = layouts.tapvid3d_fields(made, layouts.in_camera(made), made.followed.visible)
    fields["images_jpeg_bytes"] = np.array([bytes(image) for image in fields["images_jpeg_bytes"]], dtype=object)
    path = tmp_path / "adt" / "a.npz"
    np.savez(path, queries_xyt=np.zeros((200, 3)), **fields)
    refused("tapvid3d:adt", tmp_path, "a.npz", "images_jpeg_bytes is a pickled object array", "np.savez(FILE")
    fields["images_jpeg_bytes"] = np.array(list(fields["images_jpeg_bytes"]))  # what the message says
    np.savez(path, queries_xyt=np.zeros((200, 3)), **fields)
    assert catalogue.read("tapvid3d:adt", tmp_path, "a").rgb.shape == made.clip.rgb.shape


def test_npz_without_a_field(made, tmp_path):
    (tmp_path / "adt").mkdir()
    fields = layouts.tapvid3d_fields(made, layouts.in_camera(made), made.followed.visible)
    np.savez(tmp_path / "adt" / "a.npz", **fields)
    refused("tapvid3d:adt", tmp_path, "a.npz", "no queries_xyt, only")
    fields["visibility"] = fields["visibility"][:-1]
    np.savez(tmp_path / "adt" / "a.npz", queries_xyt=np.zeros((200, 3)), **fields)
    refused("tapvid3d:adt", tmp_path, "a.npz", "visibility (3, 200)")


def test_poses_too_late(made, tmp_path):
    """Poses of another sequence are not taken for near enough."""
    layouts.bonn(tmp_path, made)
    file = tmp_path / "rgbd_bonn_dataset" / "rgbd_bonn_balloon2" / "groundtruth.txt"
    file.write_text(re.sub(r"^1548", "1549", file.read_text(), flags=re.M))
    refused("bonn", tmp_path, "groundtruth.txt", "no pose within 0.02 s")
    file.write_text("1 2 3\n")
    refused("bonn", tmp_path, "groundtruth.txt", "8 numbers")


def test_paths_do_not_escape(made, tmp_path):
    layouts.tum(tmp_path, made)
    file = tmp_path / "rgbd_dataset_freiburg3_walking_xyz" / "rgb.txt"
    file.write_text(re.sub(r" rgb/", " ../../../etc/", file.read_text()))
    refused("tum", tmp_path, "../../../etc", "outside")


def test_millimetres_for_metres_are_no_poses(made, tmp_path):
    """A matrix that is not rigid is refused: here a scaled rotation."""
    layouts_more.scannet_prepared(tmp_path, made)
    file = tmp_path / "scene0707_00" / "pose_90.txt"
    np.savetxt(file, np.loadtxt(file) * 1000)
    refused("scannet", tmp_path, "scannet/prepared/scene0707_00", "not a rotation")


def test_raw_depth_of_seven_scenes(made, tmp_path):
    layouts_more.seven_scenes(tmp_path, made)
    for path in list(tmp_path.rglob("*.depth.proj.png")):
        path.rename(path.with_name(path.name.replace("depth.proj", "depth")))
    refused("seven_scenes:step20", tmp_path, "depth.proj.png", "not registered", "SimpleRecon")


def test_the_first_point_odyssey(tmp_path):
    (tmp_path / "test" / "cab").mkdir(parents=True)
    np.savez(tmp_path / "test" / "cab" / "annotations.npz", trajs_3d=np.zeros((1, 1, 3)))
    refused("pointodyssey", tmp_path, "1.0", "fetch version 1.2")


def test_tracks_from_torch_run_no_code(made, tmp_path):
    import torch

    layouts_more.dynamic_replica(tmp_path, made)
    torch.save({"traj_3d_world": Path("x")}, tmp_path / "test" / "a_left" / "trajectories" / "000002.pth")
    refused("dynamic_replica", tmp_path, "000002.pth", "traj_3d_world (N,3)")


def test_plain_videos(made, tmp_path):
    """A video beside a folder of images; one that is none."""
    layouts_more.frames(tmp_path, made)
    layouts_more.mp4(tmp_path / "b.mp4", list(made.clip.rgb))
    first, second = catalogue.load("frames", tmp_path)
    assert [first.name, second.name] == ["frames/all/b_mp4", "frames/all/walk"]
    assert first.rgb.shape == second.rgb.shape and np.abs(first.rgb.astype(int) - second.rgb).mean() < 4
    (tmp_path / "b.mp4").write_bytes(b"no video")
    refused("frames", tmp_path, "b.mp4")


def test_still_rooms_say_where_points_are(made):
    """In a room where nothing moves, depth alone gives P_1(t_j, pi_0), the same at all times."""
    recording = still(made)
    got = truth(recording, frames=(0, 2), sources=(1,))
    expected = derive.truth(made.clip, (0, 2), (1,))
    assert np.allclose(got.points[0, 1], expected.points[0, 1], atol=1e-4, equal_nan=True)
    assert (got.points[0, 0][np.isfinite(got.points[0, 0])] == got.points[0, 1][np.isfinite(got.points[0, 1])]).all()


def still(made: Scene) -> Recording:
    return Recording(
        name="x",
        licence="",
        rgb=made.clip.rgb,
        K=made.clip.cameras.K,
        world_from_camera=made.world_from_camera,
        depth=made.depth.astype(np.float32),
        still=True,
    )


def test_tracks_fill_the_pixels_that_see_them(made):
    """Tracks of all pixels of frame 1 give the truth of that frame; other sources get what lands in them."""
    source = derive.hits(made.clip, 1)
    positions = derive.tracks(made.clip, source)[:, source.seen]
    visible = np.zeros(positions.shape[:2], bool)
    visible[1] = True
    K = made.clip.cameras.K.copy()
    K[3, 0, 2] += 50.0  # part of frame 1 is out of frame 3
    recording = replace(still(made), still=False, K=K, tracks=Tracks(positions=positions, visible=visible))
    got = truth(recording, frames=(0, 1, 3), sources=(1, 2))
    expected = derive.truth(made.clip, (0, 1, 3), (1,))
    assert np.allclose(got.points[0], expected.points[0], atol=1e-4, equal_nan=True)
    assert np.isnan(got.points[1]).all()  # frame 3 sees none of them
    known = np.isfinite(expected.points[0, 0, ..., 0])
    assert got.seen is not None and not got.seen[1].any()
    assert ((got.seen[0, 1] == Seen.VISIBLE) == known).all()
    camera = derive.point_map(made.clip, source, 3, 3)
    landed = project(camera, K[3])
    outside = known & ((landed < 0) | (landed >= 128)).any(axis=-1)
    assert outside.any() and ((got.seen[0, 2] == Seen.OUTSIDE) == outside).all()


def test_of_two_tracks_in_a_pixel_the_nearer_is_kept(made):
    direction = np.linalg.inv(made.clip.cameras.K[0]) @ [*pixel_centres(128, 128)[40, 50], 1.0]
    world = made.world_from_camera[0]
    points = np.stack([world[:3, :3] @ (direction * z) + world[:3, 3] for z in (3.0, 2.0, -2.0)])
    tracks = Tracks(positions=np.tile(points, (4, 1, 1)), visible=np.ones((4, 3), bool))
    got = truth(replace(still(made), still=False, depth=None, tracks=tracks), (0,), (0,)).points[0, 0]
    assert np.argwhere(np.isfinite(got[..., 2])).tolist() == [[40, 50]]
    assert np.isclose(got[40, 50, 2], 2.0)


def test_unknown_stays_unknown(made):
    bare = Recording(name="x", licence="", rgb=made.clip.rgb)
    got = truth(bare, (0, 1), (0,))
    assert not bare.known
    assert all(np.isnan(values).all() for values in (got.K, got.world_from_camera, got.depth, got.points))
