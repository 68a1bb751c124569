"""Exports: what other people's loaders make of them, told anew from the layouts' descriptions, is the truth of the clip."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import png
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from generation import export
from generation.exports import movi, tapvid3d
from generation.exports._tracks import follow
from tests.layouts import MINI, shortened
from vdpm import derive
from vdpm.clip import Cameras, Clip, Contacts, Physics
from vdpm.errors import UserError
from vdpm.geometry import invert, project, transform
from vdpm.storage import encode, read_shard, write_shard

FRAMES = 4


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    whole = read_shard(MINI)
    return [shortened(next(whole), FRAMES) for _ in range(2)]


@pytest.fixture(scope="module")
def folder(clips, tmp_path_factory) -> Path:
    """One clip as MOVi."""
    out = tmp_path_factory.mktemp("movi")
    movi.write(clips[0], out, np.random.default_rng(0))
    return out / clips[0].name


def numbers(path: Path) -> np.ndarray:
    """A PNG as Kubric reads it: pypng, the planes as they come."""
    width, height, rows, info = png.Reader(bytes=path.read_bytes()).read()
    return np.vstack([np.array(row) for row in rows]).reshape(height, width, info["planes"])


def test_movi_folders_are_complete(folder):
    """The rule by which Kubric's builder takes a folder: as many files of each layer as of rgba, and three of JSON."""
    layers = "rgba segmentation forward_flow backward_flow depth normal object_coordinates".split()
    names = [path.name for path in folder.iterdir()]
    assert {"metadata.json", "events.json", "data_ranges.json"} < set(names)
    assert {sum(name.startswith(layer) for name in names) for layer in layers} == {FRAMES}


def test_movi_depth_is_distance(folder, clips):
    clip = clips[0]
    for t in range(FRAMES):
        distance = np.asarray(Image.open(folder / f"depth_{t:05d}.tiff"))
        camera = derive.point_map(clip, derive.hits(clip, t), t, t)
        known = np.isfinite(camera[..., 2])
        assert np.allclose(distance[known], np.linalg.norm(camera[known], axis=-1), rtol=1e-6)
        assert (distance[~known] == np.float32(1e10)).all()


def test_movi_flow_is_row_column_and_kubrics_sign(folder, clips):
    clip, ranges = clips[0], json.loads((folder / "data_ranges.json").read_text())
    for name, t, time, sign in (("forward_flow", 1, 2, 1), ("backward_flow", 2, 1, -1)):
        low, high = ranges[name]["min"], ranges[name]["max"]
        coded = numbers(folder / f"{name}_{t:05d}.png")
        decoded = coded[..., :2] / 65535 * (high - low) + low
        expected = sign * derive.optical_flow(clip, t, time)[..., ::-1]
        known = np.isfinite(expected)
        assert np.abs(decoded - expected)[known].max() <= (high - low) / 65535
        assert not coded[..., 2].any()


def test_movi_sky_flows_as_the_camera_turns(clips):
    """Against a point 1e7 m away, whatever the place of the camera."""
    clip = clips[0]
    flow = movi._flow(replace(clip, triangle=np.full_like(clip.triangle, -1)), 0, 2)
    direction = np.linalg.inv(clip.cameras.K[0]) @ [20.5, 30.5, 1.0]
    far = transform(clip.cameras.world_from_camera[0], direction * 1e7)
    landed = project(transform(invert(clip.cameras.world_from_camera[2]), far)[None, None], clip.cameras.K[2])[0, 0]
    assert np.allclose(flow[30, 20], landed - [20.5, 30.5], atol=1e-4)


def test_movi_points_travel_by_object_coordinates(folder, clips):
    """As TAP-Vid's Kubric code makes tracks: object coordinates and 3D boxes give the world position at another time."""
    clip, meta = clips[0], json.loads((folder / "metadata.json").read_text())
    ids = numbers(folder / "segmentation_00000.png")[..., 0]
    coordinates = numbers(folder / "object_coordinates_00000.png") / 65535
    expected = derive.points(clip, derive.hits(clip, 0), 3)
    checked = 0
    for i, instance in enumerate(meta["instances"], start=1):
        boxes = np.array(instance["bboxes_3d"][3])
        corners = np.array([[x, y, z, 1.0] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        to_world = np.linalg.lstsq(corners, boxes, rcond=None)[0]
        mine = ids == i
        got = np.concatenate([coordinates[mine], np.ones((mine.sum(), 1))], axis=1) @ to_world
        size = np.linalg.norm(boxes[7] - boxes[0])
        assert np.abs(got - expected[mine]).max() < 2 * size / 65535 + 1e-5
        assert mine.sum() == instance["visibility"][0]
        checked += mine.sum()
    assert checked > 500


def test_movi_segmentation_knows_the_background(folder, clips):
    ids, bodies = numbers(folder / "segmentation_00002.png")[..., 0], derive.bodies(clips[0], 2)
    roles = np.array([body["role"] for body in clips[0].meta["bodies"]] + ["sky"])
    assert ((ids == 0) == np.isin(roles[bodies], ["ground", "structure", "sky"])).all()
    assert all(len(np.unique(bodies[ids == i])) == 1 for i in np.unique(ids[ids > 0]))


def test_movi_camera_projects_with_kubrics_law(folder, clips):
    """u = K (R^T (x - p)) with OpenGL axes and K in units of the image, divided by z, is where the pixel is."""
    clip, camera = clips[0], json.loads((folder / "metadata.json").read_text())["camera"]
    t = 3
    w, x, y, z = camera["quaternions"][t]
    rotation = Rotation.from_quat([x, y, z, w]).as_matrix()
    points = derive.points(clip, derive.hits(clip, t), t)[60, 64]
    u, v, depth = np.array(camera["K"]) @ (rotation.T @ (points - camera["positions"][t]))
    assert np.allclose([u / depth * 128, v / depth * 128], [64.5, 60.5], atol=1e-6)
    assert np.isclose(camera["field_of_view"], 2 * np.arctan(camera["sensor_width"] / 2 / camera["focal_length"]))


def test_movi_normals_are_of_the_world(folder, clips):
    clip = clips[0]
    normals = numbers(folder / "normal_00001.png") / 65535 * 2 - 1
    floor = derive.bodies(clip, 1) == [body["role"] for body in clip.meta["bodies"]].index("ground")
    assert np.allclose(normals[floor], [0, 0, 1], atol=1e-4)


def test_movi_instances_tell_what_the_builder_asks_for(folder):
    meta = json.loads((folder / "metadata.json").read_text())
    shapes = {"positions": (FRAMES, 3), "quaternions": (FRAMES, 4), "velocities": (FRAMES, 3),
              "angular_velocities": (FRAMES, 3), "bboxes_3d": (FRAMES, 8, 3), "image_positions": (FRAMES, 2),
              "visibility": (FRAMES,), "mass": (), "friction": (), "restitution": (), "scale": ()}  # fmt: skip
    for instance in meta["instances"]:
        assert {name: np.shape(instance[name]) for name in shapes} == shapes
        assert len(instance["bboxes"]) == len(instance["bbox_frames"]) == sum(n > 0 for n in instance["visibility"])
    assert {"width", "height", "num_frames", "num_instances", "motion_blur", "background"} < meta["metadata"].keys()
    seen = [sum(instance["visibility"]) for instance in meta["instances"]]
    assert seen == sorted(seen, reverse=True)


def test_movi_collisions_come_from_contacts(clips, tmp_path):
    bodies = len(clips[0].surfaces.face_start) - 1
    point = transform(clips[0].cameras.world_from_camera[1], np.array([0.0, 0.0, 5.0]))
    contacts = Contacts(
        frame=np.array([1], np.int32),
        bodies=np.array([[0, 13]], np.int32),
        position=point[None].astype(np.float32),
        normal=np.array([[0, 0, 1]], np.float32),
        force=np.array([7], np.float32),
        peak=np.array([9], np.float32),
    )
    unknown = np.full((FRAMES, bodies, 3), np.nan, np.float32)
    unknown[:, 13] = 2.0
    joints = np.zeros((FRAMES, 0), np.float32)
    physics = Physics(
        velocity=unknown,
        spin=unknown,
        contacts=contacts,
        joint_position=joints,
        joint_place=joints[..., None][..., [0] * 3],
    )
    movi.write(replace(clips[0], physics=physics), tmp_path, np.random.default_rng(0))
    (event,) = json.loads((tmp_path / clips[0].name / "events.json").read_text())["collisions"]
    instances = json.loads((tmp_path / clips[0].name / "metadata.json").read_text())["instances"]
    assert (
        event["instances"][0] == -1 and instances[event["instances"][1]]["name"] == clips[0].meta["bodies"][13]["name"]
    )
    K = clips[0].cameras.K[1]
    assert np.allclose(event["image_position"], K[:2, 2] / 128, atol=1e-5) and event["frame"] == 1
    assert np.allclose(instances[event["instances"][1]]["velocities"], 2.0)


def test_tracks_are_drawn_from_what_is_seen(clips):
    followed = follow(clips[0], 300, np.random.default_rng(3))
    again = follow(clips[0], 300, np.random.default_rng(3))
    assert (followed.positions == again.positions).all() and (followed.pixels == again.pixels).all()
    assert len(followed.frames) == 300 and set(followed.frames.tolist()) == set(range(FRAMES))
    index = np.arange(300)
    assert followed.visible[followed.frames, index].all()
    camera = transform(
        invert(clips[0].cameras.world_from_camera)[followed.frames], followed.positions[followed.frames, index]
    )
    landed = camera @ clips[0].cameras.K[0].T
    assert np.allclose(landed[:, :2] / landed[:, 2:], followed.pixels, atol=1e-6)
    body = derive.bodies(clips[0], 0)
    drawn = body[tuple((followed.pixels[followed.frames == 0] - 0.5).astype(int).T[::-1])]
    assert len(np.unique(drawn)) > 0.7 * len(np.unique(body[body >= 0]))  # small bodies are not drowned by the floor


@pytest.fixture
def shard(clips, tmp_path) -> Path:
    path = tmp_path / "clips-000000.tar"
    write_shard(path, [(clip.name, encode(clip)) for clip in clips])
    return path


def test_export_is_the_same_again_and_all_or_nothing(shard, clips, tmp_path, monkeypatch, capsys):
    """Interrupted after the first clip there is no folder; the same command goes on; the bytes are those of one run."""
    export.main(export.Config(shards=(shard,), to="tapvid3d", out=tmp_path / "whole"))
    write, calls = tapvid3d.write, []

    def failing(clip, folder, rng):
        calls.append(clip.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(clip, folder, rng)

    monkeypatch.setattr(tapvid3d, "write", failing)
    config = export.Config(shards=(shard,), to="tapvid3d", out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        export.main(config)
    assert not config.out.exists()
    export.main(config)
    assert calls == [clips[0].name, clips[1].name, clips[1].name]
    assert not list(tmp_path.glob("*.part"))
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert {path.name: path.read_bytes() for path in config.out.iterdir()} == files
    with pytest.raises(UserError, match="is there already"):
        export.main(config)


def test_export_resumes_only_what_was_asked(shard, tmp_path):
    part = tmp_path / "out.part"
    part.mkdir()
    (part / "export.json").write_text(json.dumps({"asked": {"to": "movi", "seed": 0}, "done": [], "refused": {}}))
    with pytest.raises(UserError, match="was begun with"):
        export.main(export.Config(shards=(shard,), to="kitti", out=tmp_path / "out"))


def test_a_clip_that_zooms_is_left_out_and_said(clips, tmp_path):
    zooming = replace(clips[0], cameras=_zoom(clips[0]))
    path = tmp_path / "mixed.tar"
    write_shard(path, [(clip.name, encode(clip)) for clip in (zooming, clips[1])])
    with pytest.raises(UserError, match="1 clips were left out: .*zooms"):
        export.main(export.Config(shards=(path,), to="kitti", out=tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out" / "val").iterdir()) == [f"{clips[1].name}_sync"]


def _zoom(clip: Clip) -> Cameras:
    K = clip.cameras.K.copy()
    K[:, [0, 1], [0, 1]] *= np.linspace(1, 1.2, FRAMES)[:, None]
    return Cameras(K=K, world_from_camera=clip.cameras.world_from_camera)


def test_export_command_says_what_is_wrong(shard, tmp_path):
    command = [sys.executable, "-m", "generation.export", str(shard), "--to", "coco", "--out", str(tmp_path / "x")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.count("\n") == 1
    assert "unknown layout 'coco'" in run.stderr and "pointodyssey" in run.stderr
