"""The data card: statistics against closed forms, licences of all assets, metadata that its validator and loader take."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from etils import epath

from generation import card, croissant
from generation.survey import MOVING, Histogram, Survey, occlusions
from tests.test_objects import squares
from tests.tiny import tiny_clip
from vdpm import derive
from vdpm.clip import Clip
from vdpm.errors import UserError
from vdpm.raycast import triangles_seen
from vdpm.storage import encode, write_shard

META = {
    "family": "tiny",
    "frame_rate": 12,
    "generator_version": 7,
    "bodies": [
        {"name": "floor", "asset": "procedural/floor", "licence": "CC0"},
        {"name": "box", "asset": "own/<b>|box", "licence": "CC-BY | <x>"},
    ],
    "light": {"hdri": "city.exr", "licence": "CC0"},
}


@pytest.fixture
def clip() -> Clip:
    return replace(tiny_clip(frames=9), meta=META)


def passing(frames: int = 12) -> Clip:
    """A wall, and before it a square 40 pixels wide that moves by 20 pixels a frame from left to right, and out."""
    clip = squares((-5.0, -5.0, 5.0, 10.0), (-2.5, -1.25, 2.5, 1.0))
    paths = np.tile(np.eye(4), (frames, 2, 1, 1))
    paths[:, 1, 0, 3] = 0.5 * np.arange(frames)
    cameras = replace(clip.cameras, K=np.repeat(clip.cameras.K[:1], frames, 0),
                      world_from_camera=np.repeat(clip.cameras.world_from_camera[:1], frames, 0))  # fmt: skip
    surfaces = replace(clip.surfaces, world_from_body=paths, shapes=np.zeros((frames, 0, 3), np.float32))
    triangle = triangles_seen(surfaces, cameras, 100, 100)
    return Clip(
        name="passing",
        rgb=np.zeros((frames, 100, 100, 3), np.uint8),
        triangle=triangle,
        cameras=cameras,
        surfaces=surfaces,
    )


def test_occlusions_last_as_long_as_the_square_is_wide():
    """40 pixels at 20 pixels a frame: two frames for every point that it passes; it hides nothing of itself."""
    lengths = occlusions(passing())
    assert len(lengths) > 20 and set(lengths.tolist()) == {2}


def test_histograms_by_closed_form():
    histogram = Histogram(np.linspace(0.0, 1.0, 101), "x", logarithmic=False)
    histogram.add(np.linspace(0.0, 1.0, 100_001))
    histogram.add(np.array([np.nan, np.inf]))
    assert histogram.counts.sum() == 100_001 and histogram.mean == pytest.approx(0.5)
    assert histogram.quantile(0.25) == pytest.approx(0.25, abs=0.01)
    histogram.add(np.array([-5.0, 7.0]))
    assert histogram.counts[0] > 1000 and histogram.counts[-1] > 1000
    assert np.isnan(Histogram(np.arange(3.0), "x").quantile(0.5))


def test_statistics_of_a_clip(clip):
    survey = Survey()
    survey.add(clip)
    moved = [np.linalg.norm(derive.scene_flow(clip, frame, frame + 1), axis=-1) > MOVING for frame in (0, 4)]
    assert survey.histograms["dynamic"].mean == pytest.approx(np.mean(moved))
    depth = np.stack([derive.depth(clip, frame) for frame in (0, 4, 8)])
    assert survey.histograms["depth"].mean == pytest.approx(np.nanmean(depth))
    assert survey.histograms["invalid"].mean == pytest.approx(np.isnan(depth).mean())
    assert survey.histograms["objects"].mean == 2.0
    assert survey.assets == {"procedural/floor": "CC0", "own/<b>|box": "CC-BY | <x>", "environment/city.exr": "CC0"}


def test_the_command_writes_a_card_and_metadata_that_load(tmp_path, clip, monkeypatch):
    """In a process that must not import Blender or a simulator; then the loader of Croissant reads the frames."""
    mlc = croissant.library()
    monkeypatch.setattr(
        "mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH", epath.Path(tmp_path / "out")
    )
    write_shard(tmp_path / "data/tiny-000000.tar", [(clip.name, encode(clip))])
    (tmp_path / "data/clips").mkdir()
    (tmp_path / "data/clips/half.tar").write_bytes(b"not whole yet")
    code = (
        "import sys; from generation import card; card.main(card.Config(folder=__import__('pathlib').Path(sys.argv[1])));"
        "sys.exit(bool({'bpy', 'pybullet', 'kubric', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "data/card/README.md").read_text()
    assert "| CC-BY \\| &lt;x&gt; | 1 | 1 |" in text and "<x>" not in text
    for key in ("flow", "depth", "dynamic", "objects"):
        assert (tmp_path / f"data/card/{key}.png").read_bytes().startswith(b"\x89PNG") and f"]({key}.png)" in text
    assert json.loads((tmp_path / "data/card/assets.json").read_text())["procedural/floor"] == "CC0"
    dataset = mlc.Dataset(jsonld=tmp_path / "data/croissant.json")
    assert not dataset.metadata.ctx.issues.errors and dataset.metadata.license == ["CC-BY | <x>", "CC0"]
    frames = list(dataset.records("frames"))
    assert len(frames) == 9 and frames[0]["frames/image"].size == (32, 24)
    (facts,) = dataset.records("clips")
    assert json.loads(facts["clips/facts"])["family"] == "tiny"


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no shard"):
        card.main(card.Config(folder=tmp_path))
    with pytest.raises(UserError, match="YYYY-MM-DD"):
        card._date("soon")


def test_invalid_metadata_is_refused(tmp_path):
    class Nothing:
        def to_json(self):
            return {"@type": "sc:Dataset", "name": "nothing"}

    with pytest.raises(UserError, match="not valid Croissant"):
        croissant.write(Nothing(), tmp_path / "croissant.json")
