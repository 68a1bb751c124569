"""Names and shapes of the weights; what is read, refused and written."""

import gzip
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.network import FIXTURES, images, stressed
from vdpm.errors import UserError
from vdpm.model import hub, weights
from vdpm.model.network import Network
from vdpm.model.sizes import FULL, TINY, Sizes
from vdpm.model.weights import find, new_in_vdpm, push_to_hub, read_network, start_from_vggt, write_network

VGGT_ONLY = json.loads(gzip.decompress((FIXTURES / "keys_full.json.gz").read_bytes()))["dropped_by_vdpm"]


@cache
def full() -> Network:
    """The published size without memory for its weights."""
    with torch.device("meta"):
        return Network(FULL)


@pytest.fixture(autouse=True)
def _tiny_is_full(monkeypatch):
    """Files that do not say their size are taken for the published one, which is too large for a test."""
    monkeypatch.setattr(weights, "FULL", TINY)


@pytest.fixture
def state():
    return {name: tensor.clone() for name, tensor in stressed().state_dict().items()}


def saved(path: Path, state: dict) -> Path:
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


def test_full_has_the_published_names_and_shapes():
    expected = json.loads(gzip.decompress((FIXTURES / "keys_full.json.gz").read_bytes()))["tensors"]
    assert len(expected) == 1478
    assert {name: list(tensor.shape) for name, tensor in full().state_dict().items()} == expected
    assert sum(tensor.numel() for tensor in full().parameters()) == 1_661_508_918
    assert not list(full().buffers())


def test_sizes_are_made_without_the_compiler():
    """Importing it takes seconds, which every start would pay."""
    lines = ["import sys, torch", "from vdpm.model.network import Network", "from vdpm.model.sizes import LIGHT"]
    lines += ["with torch.device('meta'):", "    Network(LIGHT)", "assert 'torch._dynamo' not in sys.modules"]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_what_vggt_lacks_is_what_v_dpm_added():
    expected = json.loads(gzip.decompress((FIXTURES / "keys_full.json.gz").read_bytes()))
    assert new_in_vdpm(full()) == set(expected["new_in_vdpm"])
    assert len(expected["new_in_vdpm"]) == 137
    heads = [name.partition(".")[0] for name in expected["dropped_by_vdpm"]]
    assert {head: heads.count(head) for head in set(heads)} == weights.VGGT_HEADS
    assert sum(weights.VGGT_HEADS.values()) == 456


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("way", ["file", "folder"])
def test_foreign_weights_are_read_and_their_licence_is_shown(tmp_path, state, capsys, name, way):
    file = saved(tmp_path / name, state)
    network = read_network(file if way == "file" else tmp_path)
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert "V-DPM weights: no licence was found" in capsys.readouterr().err


def test_our_files_say_their_size_and_licence(tmp_path, capsys):
    sizes = Sizes(**{**vars(TINY), "depth": 5, "taps": (0, 2, 3, 4), "camera_depth": 1})
    network = Network(sizes)
    network.licence = "CC0-1.0"
    write_network(network, tmp_path)
    again = read_network(tmp_path)
    assert again.sizes == sizes and again.licence == "CC0-1.0"
    assert "note: CC0-1.0" in capsys.readouterr().err
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_half_precision_files_are_read(tmp_path, state):
    network = read_network(saved(tmp_path / "model.safetensors", {n: t.bfloat16() for n, t in state.items()}))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def vggt(state: dict) -> dict:
    """The state dict of a VGGT of this size."""
    fresh = new_in_vdpm(stressed())
    return {n: t for n, t in state.items() if n not in fresh} | {name: torch.ones(2) for name in VGGT_ONLY}


def test_vggt_starts_a_network(tmp_path, state, capsys):
    file = saved(tmp_path / "model.pt", vggt(state))
    first, again, other = (start_from_vggt(file, seed=seed, sizes=TINY).state_dict() for seed in (1, 1, 2))
    assert "VGGT-1B is not for commercial use" in capsys.readouterr().err
    fresh = new_in_vdpm(stressed())
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        assert name in fresh or torch.equal(tensor, state[name])
    assert not torch.equal(first["aggregator.time_conditioning_token"], other["aggregator.time_conditioning_token"])


def test_a_start_leaves_the_random_state_alone(tmp_path, state):
    before = torch.get_rng_state()
    start_from_vggt(saved(tmp_path / "model.pt", vggt(state)), seed=1, sizes=TINY)
    assert torch.equal(before, torch.get_rng_state())


NAME = "decoder.frame_blocks.0.1.mlp.fc1.bias"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(NAME), f"1 missing: {NAME}$"),
        (lambda s: s.update(extra=torch.ones(1)), "1 unknown: extra$"),
        (lambda s: s.update({"depth_head.norm.bias": torch.ones(1)}), "1 unknown: depth_head.norm.bias$"),
        (lambda s: s.update({NAME: torch.ones(3)}), rf"1 of another shape: {NAME} \(3,\) instead of \(512,\)$"),
        (lambda s: s.update({NAME: s[NAME] * float("nan")}), f"hold NaN or infinite values: {NAME}$"),
        (lambda s: [s.pop(name) for name in list(s)[:20]], "20 missing: .* and 14 more$"),
        (lambda s: s.update(epoch=3), "no state dict"),
    ],
)
def test_other_weights_are_one_line(tmp_path, state, change, message):
    change(state)
    with pytest.raises(UserError, match=message) as error:
        read_network(saved(tmp_path / "model.pt", state))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("camera_head.token_norm.bias"), "1 missing: camera_head.token_norm.bias$"),
        (lambda s: s.pop("depth_head.norm.bias"), "not of VGGT: .*depth_head 61 instead of 62$"),
        (lambda s: s.update({NAME: torch.ones(512)}), f"1 unknown: {NAME}$"),
    ],
)
def test_other_weights_start_nothing(tmp_path, state, change, message):
    content = vggt(state)
    change(content)
    with pytest.raises(UserError, match=message):
        start_from_vggt(saved(tmp_path / "model.pt", content), seed=1, sizes=TINY)


def test_vggt_is_not_v_dpm(tmp_path, state):
    with pytest.raises(UserError, match="not of V-DPM: .* missing: aggregator.time_cond.* unknown: depth_head"):
        read_network(saved(tmp_path / "model.pt", vggt(state)))


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_files_cut_off_are_one_line(tmp_path, state, name, share):
    file = saved(tmp_path / name, state)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="damaged or not weights") as error:
        read_network(file)
    assert "\n" not in str(error.value)


def test_no_code_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Evil()}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="damaged or not weights"):
        read_network(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_what_is_not_there_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"holds no weights: model.safetensors or model.pt"):
        find(tmp_path)
    with pytest.raises(UserError, match="no weights at .*nowhere.pt: give a file, a folder, or"):
        find(tmp_path / "nowhere.pt")
    monkeypatch.setattr(hub.HfApi, "model_info", unreachable)
    with pytest.raises(UserError, match="somebody/something are not on this machine.*download model.pt from https://"):
        find("somebody/something")


def unreachable(*_: object, **__: object) -> None:
    raise ConnectionError("no network")


def test_what_was_downloaded_before_needs_no_network(tmp_path, state, monkeypatch):
    monkeypatch.setattr(hub.HfApi, "model_info", unreachable)
    file = str(saved(tmp_path / "model.pt", state))
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda _, name: file if name == "model.pt" else None)
    assert str(find("edgarsucar/vdpm")) == file


def test_uploading_uploads_what_can_be_read(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(hub.HfApi, "create_repo", lambda self, name, exist_ok: seen.append(name))
    monkeypatch.setattr(
        hub.HfApi, "upload_folder", lambda self, repo_id, folder_path: seen.append(read_network(folder_path))
    )
    push_to_hub(stressed(), "me/mine")
    video = images(1, 2, 28, 42)
    times = torch.zeros(1, 2, dtype=torch.long)
    assert seen[0] == "me/mine"
    assert torch.equal(seen[1](video, times)[0][0], stressed()(video, times)[0][0])
    monkeypatch.setattr(hub.HfApi, "create_repo", unreachable)
    with pytest.raises(UserError, match="cannot upload to me/mine"):
        push_to_hub(stressed(), "me/mine")


def test_weights_can_be_read_by_everybody(tmp_path):
    path = write_network(stressed(), tmp_path)
    assert path.stat().st_mode & 0o444 == 0o444
