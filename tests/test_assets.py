"""Assets of one's own: licences, lock files, archives that stay inside, convex pieces, and the split by name."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from generation import assets, choice, convex, models
from generation.library import LOCK, Library, open_library
from generation.lights import draw_light
from generation.manifest import unpacked
from generation.scene import Asset
from vdpm.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Nothing is read from or left in the user's cache, and no library is remembered."""
    monkeypatch.setenv("OPEN4D_CACHE", str(tmp_path / "cache"))
    open_library.cache_clear()
    models.model.cache_clear()


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "models"
    path.mkdir()
    return path


def channel() -> trimesh.Trimesh:
    """A trough: three boxes welded into one solid, open above, 1 m long, 1 m wide, 0.5 m high, walls of 0.1 m."""
    profile = [(-0.5, 0), (0.5, 0), (0.5, 0.5), (0.4, 0.5), (0.4, 0.1), (-0.4, 0.1), (-0.4, 0.5), (-0.5, 0.5)]
    a, b, c, d = [0, 1, 4, 5], [1, 2, 3, 4], [0, 5, 6, 7], len(profile)
    front = [[quad[0], quad[k], quad[k + 1]] for quad in (a, b, c) for k in (1, 2)]
    back = [[i + d, k + d, j + d] for i, j, k in front]
    rim = [[i, (i + 1) % d + d, (i + 1) % d] for i in range(d)] + [[i, i + d, (i + 1) % d + d] for i in range(d)]
    vertices = [(x, y, z) for y in (-0.5, 0.5) for x, z in profile]
    solid = trimesh.Trimesh(vertices, np.array(front + back + rim))
    solid.fix_normals()
    return solid


def licensed(folder: Path, text: str = "CC-BY-4.0") -> None:
    (folder / "LICENCE").write_text(f"{text}\nsome more words\n")


def archive(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def kubric_files() -> dict[str, bytes]:
    shown = str(trimesh.creation.icosphere(subdivisions=2).export(file_type="obj")).encode()
    collides = b"o a\n" + str(trimesh.creation.box().export(file_type="obj")).encode()
    return {
        "data.json": b"{}",
        "visual_geometry.obj": shown,
        "collision_geometry.obj": collides,
        "object.urdf": b"<robot/>",
    }


def manifest(folder: Path, data_dir: str | None = None, **facts) -> Path:
    content = {"name": "toys", "data_dir": data_dir, "assets": {"ball": {"license": "CC0", "kwargs": {}, **facts}}}
    path = folder / "toys.json"
    path.write_text(json.dumps(content))
    return path


def test_the_split_is_by_name_alone():
    names = [f"procedural/box/{number}" for number in range(3000)]
    share = np.mean([choice.side(name) == "test" for name in names])
    assert 0.08 < share < 0.12
    assert choice.side("pybullet/duck") == choice.side("pybullet/duck")


def test_drawn_assets_are_on_their_side():
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        with choice.using(split, None):
            drawn = [assets.draw(rng, 1.0) for _ in range(12)]
        assert {choice.side(asset.id) for asset in drawn} == {split}
    assert choice.among(["a"]) == ["a"]


def test_ids_lead_back_to_their_assets():
    rng = np.random.default_rng(1)
    for _ in range(6):
        asset = assets.draw(rng, 1.0)
        np.testing.assert_array_equal(assets.by_id(asset.id).mesh.vertices, asset.mesh.vertices)


def test_a_model_without_a_licence_is_refused(folder):
    trimesh.creation.box().export(folder / "crate.ply")
    with pytest.raises(UserError, match=r"crate\.ply has no licence: write crate\.json"):
        open_library(str(folder))


def test_licences_of_the_folder_and_of_a_sidecar(folder):
    licensed(folder)
    trimesh.creation.box().export(folder / "crate.ply")
    trimesh.creation.icosphere().export(folder / "ball.obj")
    (folder / "ball.json").write_text('{"licence": "CC0-1.0"}')
    found = {entry.id: entry.licence for entry in open_library(str(folder)).things}
    assert found == {"own/ball": "CC0-1.0", "own/crate": "CC-BY-4.0"}
    assert set(json.loads((folder / LOCK).read_text())) == set(found)


def test_a_changed_file_is_refused_until_it_is_accepted(folder):
    licensed(folder)
    trimesh.creation.box().export(folder / "crate.ply")
    open_library(str(folder))
    trimesh.creation.icosphere().export(folder / "crate.ply")
    open_library.cache_clear()
    with pytest.raises(UserError, match="is not the file that"):
        open_library(str(folder))
    (folder / LOCK).unlink()
    assert open_library(str(folder)).things


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "no such folder"), ("nowhere.json", "copy the archives"), ("", "no such folder|no model")],
)
def test_what_is_not_there_is_one_line(tmp_path, name, words):
    with pytest.raises(UserError, match=words) as error:
        open_library(str(tmp_path / name) if name else str(tmp_path / "models"))
    assert "\n" not in str(error.value)


def test_scenes_draw_from_the_library_with_its_licence(folder):
    licensed(folder)
    trimesh.creation.box(extents=(2, 1, 1)).export(folder / "crate.glb")
    with choice.using("all", open_library(str(folder))):
        asset = assets.draw(np.random.default_rng(0), 0.6)
    assert (asset.id, asset.licence, asset.scale, len(asset.sha256)) == ("own/crate", "CC-BY-4.0", 0.6, 64)
    np.testing.assert_allclose(np.ptp(asset.mesh.vertices, axis=0), [0.6, 0.3, 0.3], rtol=1e-5)


def test_gltf_stands_upright(folder):
    """Its +y is our +z."""
    licensed(folder)
    trimesh.creation.box(extents=(1, 3, 2)).export(folder / "tower.glb")
    (entry,) = open_library(str(folder)).things
    np.testing.assert_allclose(np.ptp(models.model(entry).mesh.vertices, axis=0) * 3, [1, 2, 3], rtol=1e-5)


def test_what_is_no_model_is_refused(folder):
    licensed(folder)
    (folder / "bad.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (entry,) = open_library(str(folder)).things
    with pytest.raises(UserError, match="has 1 triangles"):
        models.model(entry)


def test_a_trough_is_taken_apart_and_holds_what_falls_into_it(folder, tmp_path):
    from generation.physics import Simulation

    licensed(folder)
    solid = channel()
    assert solid.is_watertight and solid.volume == pytest.approx(0.1 + 2 * 0.4 * 0.1)
    solid.export(folder / "trough.ply")
    (entry,) = open_library(str(folder)).things
    trough = models.model(entry)
    assert len(trough.pieces) >= 3
    assert sum(hull.volume for hull in convex.hulls(trough)) == pytest.approx(solid.volume, rel=0.1)
    again = models.model.__wrapped__(entry)  # from what was kept
    assert [piece.tolist() for piece in again.pieces] == [piece.tolist() for piece in trough.pieces]
    bottom = float(trough.mesh.vertices[:, 2].min())
    simulation = Simulation(tmp_path, frames=13, frame_rate=12, floor_half_width=5.0)
    held, ball = simulation.add(trough, 500.0), simulation.add(scaled_ball(0.3), 100.0)
    held.position, ball.position = (0.0, 0.0, -bottom), (0.0, 0.0, 0.7)
    path = simulation.run().paths[ball.uid]
    simulation.close()
    assert path[-1, 2, 3] == pytest.approx(0.1 + 0.15, abs=0.03)  # on the trough's floor, not on its hull


def scaled_ball(size: float) -> Asset:
    from dataclasses import replace

    from generation.shapes import scaled

    ball = assets.procedural("sphere", 0)
    return replace(ball, mesh=scaled(ball.mesh, size))


def test_built_in_hollow_things_have_pieces():
    for name in assets.CONVEX:
        asset = assets.model(name)
        low, high = (edge(np.concatenate(asset.pieces), axis=0) for edge in (np.min, np.max))
        np.testing.assert_allclose(low, asset.mesh.vertices.min(axis=0), atol=0.05)
        np.testing.assert_allclose(high, asset.mesh.vertices.max(axis=0), atol=0.05)
    ring = assets.procedural("torus", 3)
    solid = trimesh.Trimesh(ring.mesh.vertices, ring.mesh.faces)
    assert sum(hull.volume for hull in convex.hulls(ring)) == pytest.approx(solid.volume, rel=0.12)
    assert solid.convex_hull.volume > 1.3 * solid.volume


def test_a_mirror_beside_a_manifest_stands_in_for_the_bucket(folder):
    archive(folder / "toys" / "ball.tar.gz", kubric_files())
    (entry,) = open_library(str(manifest(folder, "gs://no-such-bucket/toys"))).things
    asset = models.model(entry)
    assert (asset.id, asset.licence) == ("toys/ball", "CC0")
    np.testing.assert_allclose(np.ptp(asset.mesh.vertices, axis=0), 1.0, rtol=1e-3)
    assert (folder / "toys.json.lock").exists()


def test_archives_are_copied_once_from_any_store(folder):
    import fsspec

    archive(folder / "elsewhere.tar.gz", kubric_files())
    store: fsspec.AbstractFileSystem = fsspec.filesystem("memory")
    store.pipe("/toys/ball.tar.gz", (folder / "elsewhere.tar.gz").read_bytes())
    path = str(manifest(folder, "memory://toys"))
    (folder / "elsewhere.tar.gz").unlink()
    assert models.model(open_library(path).things[0]).id == "toys/ball"
    store.rm("/toys/ball.tar.gz")
    open_library.cache_clear()
    assert open_library(path).things  # the bucket is closed, and nobody minds


def test_a_closed_bucket_is_one_line_that_tells_the_way_out(folder):
    with pytest.raises(UserError, match=r"cannot read memory://closed/ball\.tar\.gz .*copy the archives"):
        open_library(str(manifest(folder, "memory://closed")))


def test_a_manifest_without_a_licence_is_refused(folder):
    archive(folder / "ball.tar.gz", kubric_files())
    with pytest.raises(UserError, match='has no "license"'):
        open_library(str(manifest(folder, license=None)))


def test_environment_maps_of_a_manifest_light_scenes(folder):
    archive(folder / "toys" / "ball.tar.gz", {"data.json": b"{}", "environment_2k.hdr": b"#?RADIANCE"})
    library = open_library(str(manifest(folder, "toys", asset_type="Texture")))
    assert not library.things and len(library.lights) == 1
    with choice.using("train", library):
        light = draw_light(np.random.default_rng(0))
    assert light.hdri.read_bytes() == b"#?RADIANCE" and light.licence == "CC0"
    assert draw_light(np.random.default_rng(0)).licence == assets.HDRI_LICENCE


@pytest.mark.parametrize("name", ["../evil.obj", "/tmp/evil.obj", "a/../../evil.obj"])
def test_members_do_not_escape(tmp_path, name):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    archive(tmp_path / "bad.tar.gz", {name: b"v 0 0 0"})
    try:
        unpacked(tmp_path / "bad.tar.gz", inside)
    except UserError:
        pass  # refused, or taken for a name inside, as tar does with a leading slash
    assert not [path for path in tmp_path.rglob("evil.obj") if inside not in path.parents]
    assert not Path("/tmp/evil.obj").exists()


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("visual_geometry.obj")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(UserError, match="neither a file nor a folder"):
        unpacked(tmp_path / "bad.tar.gz", tmp_path / "out")


def test_two_libraries_are_one(folder, tmp_path):
    licensed(folder)
    trimesh.creation.box().export(folder / "crate.ply")
    archive(tmp_path / "toys" / "ball.tar.gz", kubric_files())
    both = open_library(f"{folder},{manifest(tmp_path, 'toys')}")
    assert isinstance(both, Library) and [entry.id for entry in both.things] == ["own/crate", "toys/ball"]
