"""The command on real files: videos of each kind and all kinds of bad input; the exports, read by other programs."""

import json
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.network import stressed
from tests.room import K, oracle, room
from tests.test_long_videos import footage
from vdpm.errors import UserError
from vdpm.geometry import invert, transform
from vdpm.model.model import Model
from vdpm.model.sizes import FULL, TINY
from vdpm.model.weights import write_network
from vdpm.movies import movie_facts, read_movie, write_movie
from vdpm.reconstruct import Config, main
from vdpm.reconstruction import estimate
from vdpm.reconstruction.exporting import export, export_names
from vdpm.reconstruction.footage import Selection, read_footage
from vdpm.reconstruction.network import answer, track_pixels
from vdpm.reconstruction.record import Reconstruction, load
from vdpm.reconstruction.run import Run, reconstruct

TRUTH = room(12, turn=0.8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("weights")
    write_network(stressed(), folder)
    return str(folder)


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> Reconstruction:
    """The truth, as a reconstruction."""
    run = Run(predict=lambda rgb: oracle(TRUTH, rgb), method="oracle", folder=tmp_path_factory.mktemp("r"), window=12)
    return load(reconstruct(run, footage(TRUTH), {"source": "room <b>.mp4"}))


def pictures(count: int, height: int = 40, width: int = 64) -> list[np.ndarray]:
    ramp = np.mgrid[0:height, 0:width].sum(axis=0) * 2
    return [np.stack([ramp, ramp[:, ::-1], np.full_like(ramp, 20 * n)], axis=-1).astype(np.uint8) for n in range(count)]


def frames(folder: Path, images: list) -> Path:
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(folder / f"f_{number}.png")
    return folder


def read(source: Path, scratch: Path, **selection) -> np.ndarray:
    return np.asarray(read_footage(source, Selection(**selection), scratch).rgb)


# Videos that are fine.


@pytest.mark.parametrize(("height", "width"), [(40, 64), (64, 40), (33, 45)])
def test_a_movie_comes_back(height, width, tmp_path):
    images = pictures(5, height, width)
    write_movie(tmp_path / "a.mp4", images, rate=10)
    assert movie_facts(tmp_path / "a.mp4").frames == 5
    found = list(read_movie(tmp_path / "a.mp4"))
    assert [round(time, 3) for time, _ in found] == [0, 0.1, 0.2, 0.3, 0.4]
    for (_, picture), image in zip(found, images, strict=True):
        assert np.abs(picture[:height, :width].astype(int) - image).mean() < 8


def test_a_gif_and_a_folder_are_videos_too(tmp_path):
    images = [Image.fromarray(image) for image in pictures(3)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100)
    assert read(tmp_path / "a.gif", tmp_path).shape == (3, 40, 64, 3)
    twelve = frames(tmp_path / "frames", pictures(12))
    np.testing.assert_array_equal(read(twelve, tmp_path), pictures(12))  # f_2 before f_10


def test_a_phone_held_upright_gives_an_upright_video(tmp_path):
    """A display matrix by which players turn the frames by 90 degrees clockwise, as phones write it."""
    write_movie(tmp_path / "a.mp4", pictures(3), rate=10)
    data = (tmp_path / "a.mp4").read_bytes()
    plain = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    quarter = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 40 * 0x10000, 0, 0x40000000)
    place = data.index(plain, data.index(b"tkhd"))
    (tmp_path / "turned.mp4").write_bytes(data[:place] + quarter + data[place + len(plain) :])
    flat, turned = read(tmp_path / "a.mp4", tmp_path / "1"), read(tmp_path / "turned.mp4", tmp_path / "2")
    np.testing.assert_array_equal(turned[0], np.rot90(flat[0], -1))


def test_grey_alpha_16_bits_and_sideways_pictures(tmp_path):
    grey = np.full((30, 40), 77, np.uint8)
    clear = np.dstack([np.full((30, 40, 3), 200, np.uint8), np.zeros((30, 40), np.uint8)])
    deep = Image.fromarray(np.full((30, 40), 77 * 257, np.uint16))
    found = read(frames(tmp_path / "a", [Image.fromarray(grey), Image.fromarray(clear), deep]), tmp_path)
    np.testing.assert_array_equal(found[:, 5, 5], [[77] * 3, [255] * 3, [77] * 3])
    sideways = frames(tmp_path / "b", pictures(2))
    exif = Image.Exif()
    exif[0x0112] = 6
    for file in sideways.iterdir():
        Image.open(file).save(file, exif=exif)
    assert read(sideways, tmp_path).shape == (2, 64, 40, 3)


def test_8k_is_reduced_and_the_lens_of_the_original_is_known(tmp_path, capsys):
    (tmp_path / "big").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (7680, 4320)).save(tmp_path / "big" / name, compress_level=1)
    found = read_footage(tmp_path / "big", Selection(side=512), tmp_path)
    assert found.rgb.shape == (2, 288, 512, 3) and found.original == (4320, 7680)
    assert "7680x4320 are reduced to 512x288" in capsys.readouterr().err


def test_fewer_frames_by_stride_and_by_rate(tmp_path):
    write_movie(tmp_path / "a.mp4", pictures(12), rate=12)
    assert len(read(tmp_path / "a.mp4", tmp_path / "1", stride=5)) == 3
    fourth = read_footage(tmp_path / "a.mp4", Selection(fps=4), tmp_path / "2")
    np.testing.assert_allclose(fourth.seconds, [0, 0.25, 0.5, 0.75], atol=1e-6)


# Videos that are not.


def bad(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Sources and what the error has to say."""
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video")
    write_movie(tmp_path / "whole.mp4", pictures(4), rate=10)
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    write_movie(tmp_path / "one.mp4", pictures(1), rate=10)
    write_movie(tmp_path / "long.mp4", (np.zeros((16, 16, 3), np.uint8) for _ in range(400)), rate=10)
    for name in ("nothing", "words", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "words" / "a.txt").write_text("a")
    frames(tmp_path / "broken", pictures(2))
    (tmp_path / "broken" / "f_1.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    return {
        "missing": (tmp_path / "missing.mp4", "no video at"),
        "empty": (tmp_path / "empty.mp4", "cannot read a video"),
        "text": (tmp_path / "text.mp4", "cannot read a video"),
        "cut": (tmp_path / "cut.mp4", "cannot read a video"),
        "one": (tmp_path / "one.mp4", "has 1 frames"),
        "long": (tmp_path / "long.mp4", "about 400 frames as chosen, --limit 300"),
        "nothing": (tmp_path / "nothing", "it has 0 files"),
        "words": (tmp_path / "words", "it has 1 files"),
        "broken": (tmp_path / "broken", "f_1.png"),
        "sizes": (
            frames(tmp_path / "sizes", [*pictures(2), *pictures(1, 20, 20)]),
            "frame 2 is 20x20, the first 64x40",
        ),
    }


def test_bad_videos_are_one_clear_line_each(tmp_path, weights):
    for source, words in bad(tmp_path).values():
        with pytest.raises(UserError, match=re.escape(words)) as caught:
            main(Config(source=source, out=tmp_path / "out", weights=weights))
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").iterdir())  # nothing is left lying


def test_two_hours_are_refused_by_the_header_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("vdpm.reconstruction.footage.movie_facts", lambda _: replace(facts, frames=216_000, rate=30.0))
    write_movie(tmp_path / "a.mp4", pictures(2), rate=10)
    facts = movie_facts(tmp_path / "a.mp4")
    with pytest.raises(UserError, match="about 216000 frames"):
        read(tmp_path / "a.mp4", tmp_path)
    with pytest.raises(UserError, match="about 7200 frames"):
        read(tmp_path / "a.mp4", tmp_path, fps=1.0)


@pytest.mark.parametrize(("flags", "words"), [
    ({"export": "html,obj"}, "unknown export 'obj'"), ({"fps": -1.0}, "--fps -1.0"), ({"fps": float("nan")}, "--fps nan"),
    ({"stride": 0}, "--stride 0"), ({"limit": 1}, "--limit 1"), ({"side": 3}, "--side 3"), ({"window": 1}, "--window 1"),
    ({"weights": "/no/where"}, "no weights at"),
])  # fmt: skip
def test_bad_flags_are_one_clear_line_each(flags, words, tmp_path, weights):
    source = frames(tmp_path / "frames", pictures(2))
    with pytest.raises(UserError, match=re.escape(words)):
        main(Config(**{"source": source, "out": tmp_path / "out", "weights": weights, **flags}))


def test_nan_weights_are_one_clear_line(tmp_path):
    state = {name: tensor.clone() for name, tensor in stressed().state_dict().items()}
    next(iter(state.values())).view(-1)[0] = torch.nan
    refused(tmp_path, state, "NaN")


@pytest.mark.slow  # the published network has many tensors to compare with, even without content
def test_foreign_weights_are_one_clear_line(tmp_path):
    refused(tmp_path, {"conv1.weight": torch.zeros(3)}, "not of V-DPM")
    refused(tmp_path, stressed().state_dict(), "of another shape")


def refused(tmp_path: Path, state: dict, words: str) -> None:
    source = frames(tmp_path / "frames", pictures(2))
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(UserError, match=words) as caught:
        main(Config(source=source, out=tmp_path / "out", weights=str(tmp_path / "weights.pt")))
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, weights):
    (tmp_path / "file").write_text("")
    source = frames(tmp_path / "frames", pictures(2))
    with pytest.raises(UserError, match="choose another folder"):
        main(Config(source=source, out=tmp_path / "file" / "out", weights=weights))


# The network.


@pytest.mark.parametrize(("height", "width"), [(40, 64), (64, 40)])
def test_the_network_answers_on_the_pixels_of_the_video(height, width):
    """Every map has the size of the frames, portrait is not cropped, tracks start at their pixels."""
    rgb = np.stack(pictures(3, height, width))
    found = answer(Model(network=stressed(), device=torch.device("cpu"), bfloat16=False), rgb)
    assert found.points.shape == (3, height, width, 3) and found.confidence.shape == found.motion.shape == rgb.shape[:3]
    np.testing.assert_allclose(found.K[:, 0, 2], width / 2, atol=1.0)
    np.testing.assert_array_equal(found.track_pixel, track_pixels(height, width))
    assert found.tracks.shape == (len(found.track_pixel), 3, 3) and (found.confidence >= 1).all()


def test_operations_are_those_that_were_counted():
    """Against a count of the published model's operations at 518 x 294: 21.4 and 34.1 TFLOP for 10 frames."""
    assert estimate.backbone(FULL, 10, 294, 518) / 1e12 == pytest.approx(21.4, rel=0.01)
    assert estimate.decoder(FULL, 10, 294, 518) / 1e12 == pytest.approx(34.1, rel=0.01)
    assert estimate.answering(TINY, 4, 42, 56) > estimate.backbone(TINY, 4, 42, 56)


def test_the_command_from_a_movie_to_exports(tmp_path, weights):
    """As a process, on a portrait video in several windows; then the file alone is enough."""
    write_movie(tmp_path / "a.mp4", pictures(7, 64, 40), rate=5)
    command = [sys.executable, "-m", "vdpm.reconstruct", str(tmp_path / "a.mp4"), "--out", str(tmp_path / "out"),
               "--weights", weights, "--window", "4", "--export", "html,tum"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "7 frames of 40x64 in 2 windows of up to 4 on cpu: about" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "reconstruction.npz", "trajectory.txt", "viewer.html"
    ]  # fmt: skip
    with np.load(tmp_path / "out" / "reconstruction.npz", allow_pickle=False) as arrays:
        assert arrays["points"].shape == (7, 64, 40, 3) and np.isfinite(arrays["points"]).all()
        assert json.loads(str(arrays["facts"]))["source"] == "a.mp4"
        np.testing.assert_allclose(arrays["world_from_camera"][0], np.eye(4), atol=1e-5)
        np.testing.assert_array_equal(arrays["depth"], load(tmp_path / "out").depth)
    wrong = subprocess.run(
        [*command[:3], str(tmp_path / "no.mp4"), *command[4:]], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: no video at") and wrong.stderr.count("\n") == 1


# The file and the exports.


def test_a_file_that_is_no_reconstruction_is_an_error(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK rubbish")
    np.savez(tmp_path / "b.npz", a=np.zeros(3))
    np.savez_compressed(tmp_path / "c.npz", rgb=np.zeros(3))
    for name in ("a.npz", "b.npz", "c.npz", "none.npz"):
        with pytest.raises(UserError, match="no reconstruction in"):
            load(tmp_path / name)


def test_the_lens_of_the_original(result):
    larger = replace(result, original=np.array([36, 48], np.int64))
    np.testing.assert_allclose(larger.original_K[0], np.diag([2.0, 2.0, 1.0]) @ K)


def test_exports_are_listed_and_the_page_says_what_it_shows(result, tmp_path):
    """The others are read by other programs below."""
    assert set(export_names()) == {"colmap", "glb", "html", "ply", "rerun", "tum"}
    page = export("html", result, tmp_path).read_text()
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert "room &lt;b&gt;.mp4" in page and "room <b>" not in page
    assert data["clouds"][0]["points"]["shape"][0] == 12 and data["clouds"][0]["tracks"] is not None
    np.testing.assert_allclose(np.reshape(data["clouds"][0]["poses"], (-1, 4, 4)), result.world_from_camera, atol=1e-4)


def test_ply_is_read_by_trimesh(result, tmp_path):
    import trimesh

    cloud: Any = trimesh.load(export("ply", result, tmp_path) / "00003.ply")
    points = result.points[3].reshape(-1, 3)
    near = np.abs(points[:, None] - np.asarray(cloud.vertices)[None, ::17]).max(axis=-1).min(axis=0)
    assert len(cloud.vertices) > 200 and near.max() < 1e-5


def test_tum_is_read_by_evo(result, tmp_path):
    from evo.tools import file_interface

    found = file_interface.read_tum_trajectory_file(export("tum", result, tmp_path))
    np.testing.assert_allclose(np.stack(found.poses_se3), result.world_from_camera, atol=1e-7)
    np.testing.assert_allclose(found.timestamps, result.seconds)


def test_colmap_points_land_on_the_pixels_they_name(result, tmp_path):
    """Read by what COLMAP's documentation says of its text files, with quaternions by hand."""
    folder = export("colmap", result, tmp_path)
    model = folder / "sparse" / "0"
    cameras, images, points = ([line.split() for line in (model / f"{name}.txt").read_text().splitlines()[1:]]
                               for name in ("cameras", "images", "points3D"))  # fmt: skip
    place = {row[0]: np.array(row[1:4], float) for row in points}
    seen = 0
    for header, observed in zip(images[::2], images[1::2], strict=True):
        w, x, y, z, *shift = map(float, header[1:8])
        turn = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                         [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                         [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])  # fmt: skip
        fx, fy, cx, cy = map(float, cameras[int(header[8]) - 1][4:8])
        for u, v, number in zip(observed[::3], observed[1::3], observed[2::3], strict=True):
            a, b, c = turn @ place[number] + shift
            assert abs(fx * a / c + cx - float(u)) < 0.01 and abs(fy * b / c + cy - float(v)) < 0.01
            seen += 1
        assert Image.open(folder / "images" / header[9]).size == (24, 18)
    assert seen == len(points) > 1000


def test_glb_has_a_cloud_a_time_and_its_animation(result, tmp_path):
    """By trimesh, which knows nothing of animations, and by the chunks."""
    import trimesh

    path = export("glb", result, tmp_path)
    data = path.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    content, buffer = json.loads(data[20 : 20 + length]), data[28 + length :]
    assert len(data) == struct.unpack("<I", data[8:12])[0] and len(content["meshes"]) == 12

    def values(number: int) -> np.ndarray:
        accessor = content["accessors"][number]
        view = content["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        return np.frombuffer(buffer, "<f4", accessor["count"] * width, view["byteOffset"]).reshape(-1, width)

    animation = content["animations"][0]
    shown = np.stack([values(animation["samplers"][c["sampler"]]["output"])[:, 0]
                      for c in animation["channels"] if c["target"]["path"] == "scale"])  # fmt: skip
    np.testing.assert_array_equal(shown, np.eye(12))
    scene: Any = trimesh.load_scene(path)
    first = np.asarray(next(iter(scene.geometry.values())).vertices)
    near = np.abs(result.points[0].reshape(-1, 3)[None] - first[::13, None]).max(axis=-1).min(axis=1)
    assert near.max() < 1e-5


def test_rerun_reads_its_recording(result, tmp_path):
    import rerun as rr

    recording = rr.dataframe.load_recording(export("rerun", result, tmp_path))
    columns = {str(column.entity_path) for column in recording.schema().component_columns()}
    assert {"/world/points", "/world/camera", "/world/camera/image/depth", "/world/tracks"} <= columns


def test_points_of_the_room_are_where_they_are(result):
    world = transform(invert(TRUTH.world_from_camera[0]), TRUTH.points)
    np.testing.assert_allclose(result.points, world, atol=1e-3)
