"""Training as it is run: real processes, killed and resumed, alone and together."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training import PRESET, SMALLEST, noise
from vdpm.errors import UserError
from vdpm.model.model import Model
from vdpm.model.network import Network
from vdpm.model.weights import read_network, write_network
from vdpm.train import Config, plan
from vdpm.training import checkpoint, ship
from vdpm.training.begin import begin, from_nothing
from vdpm.training.journal import read_curve
from vdpm.training.learner import Learner
from vdpm.training.loop import Trainer, rate
from vdpm.training.parallel import Place
from vdpm.training.presets import PRESETS, find_preset

ALONE = Place(rank=0, world=1, device=torch.device("cpu"))
ROOT = Path(__file__).parents[1]
torch.set_num_threads(1)


def command(out: Path, *flags: str, processes: int = 1) -> list[str]:
    run = ["-m", "tests.training", "--preset", "test", "--data", "procedural", "--out", str(out), *flags]
    one = ["--log-every", "1", "--save-every", "4", "--workers", "0", "--threads", "1"]
    launch = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    )
    return [sys.executable, *launch, *run, *one]


def run(out: Path, *flags: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(out, *flags, processes=processes), cwd=ROOT, env=environment, capture_output=True, text=True
    )


def weights(out: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.folder(out, step) / "model.safetensors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    done = run(out)
    assert done.returncode == 0, done.stderr
    return out


def test_killed_and_resumed_is_the_same_bit_for_bit(finished: Path, tmp_path: Path):
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until(lambda: len(read_curve(tmp_path)) >= 6)  # two steps after a checkpoint
    process.kill()
    process.wait()
    assert checkpoint.newest(tmp_path) == checkpoint.folder(tmp_path, 4)
    done = run(tmp_path)
    assert done.returncode == 0 and "going on at step 4 of 12" in done.stderr, done.stderr
    ours, theirs = weights(tmp_path, 12), weights(finished, 12)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    states = [checkpoint.read_state(checkpoint.folder(out, 12)) for out in (tmp_path, finished)]
    assert same(states[0]["optimiser"]["state"], states[1]["optimiser"]["state"])
    assert torch.equal(states[0]["random"], states[1]["random"])
    curves = [[{**row, "seconds": 0, "waited": 0} for row in read_curve(out)] for out in (tmp_path, finished)]
    assert curves[0] == curves[1] and [row["step"] for row in curves[0]] == list(range(1, 13))


def until(ready) -> None:
    for _ in range(1200):
        if ready():
            return
        time.sleep(0.05)
    raise TimeoutError


def same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b


@pytest.mark.parametrize("patch", [16, 8, 4])
def test_a_stem_serves_patches_of_any_size(patch: int):
    """Maps are as large as images, and the features of the stem have a say in them, whatever a patch is."""
    network = from_nothing(replace(SMALLEST, patch=patch), 0)
    images = torch.rand(1, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    points = network.answer(images, torch.tensor([1])).here[0]
    assert points.shape == (1, 2, 32, 32, 3) and network.point_head.skip.weight.grad is None
    points.sum().backward()
    assert network.point_head.skip.weight.grad is not None and network.point_head.skip.weight.grad.any()


def test_a_run_leaves_what_can_be_used(finished: Path):
    network = read_network(checkpoint.folder(finished, 12))
    start = from_nothing(SMALLEST, 0).state_dict()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, start[name])}
    unread = {name for name in start if name.startswith("aggregator.patch_embed.") and name.endswith("mask_token")}
    assert start.keys() - changed == unread
    model = Model(network=network, device=torch.device("cpu"), bfloat16=False)
    assert model.encode(torch.rand(1, 3, 3, 32, 32)).video().points.isfinite().all()
    assert json.loads((finished / "config.json").read_text())["preset"] == "test"
    assert list((finished / "tensorboard").glob("events*"))
    assert len(list((finished / "checkpoints").iterdir())) == 3
    row = read_curve(finished)[-1]
    assert (
        row["windows"] == 48
        and {"loss_matching", "match_moving", "displacement_error", "grad_norm", "lr"} <= row.keys()
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_two_processes_have_the_curve_of_one(tmp_path: Path, engine: str):
    """In single precision: sums in another order differ by 1e-7 there, which rounding to bfloat16 makes 1e-3 in a few steps."""
    single, double = tmp_path / "one", tmp_path / "two"
    for done in (run(single, "--preset", "exact"), run(double, "--preset", "exact", "--engine", engine, processes=2)):
        assert done.returncode == 0, done.stderr
    alone, together = read_curve(single), read_curve(double)
    assert [row["windows"] for row in alone] == [row["windows"] for row in together]
    for one, two in zip(alone, together, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
    ours, theirs = weights(double, 12), weights(single, 12)
    assert ours.keys() == theirs.keys() and all(ours[name].shape == theirs[name].shape for name in ours)


def trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path, Learner(from_nothing(SMALLEST, 0), PRESET), ALONE, "ddp")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_the_batch_saved(tmp_path: Path, value: float):
    bad = noise(side=32)
    bad.here[0] = value
    made = trainer(tmp_path)
    with pytest.raises(UserError, match="step 0: the loss is .*bad-batch-00000000-0.pt"):
        made.step(iter([bad]))
    saved = torch.load(tmp_path / "bad-batch-00000000-0.pt", weights_only=True)
    assert torch.equal(saved["here"].isfinite(), bad.here.isfinite()) and saved["names"] == bad.names


def test_a_cache_is_passed_on(tmp_path: Path):
    _, data = plan(Config(data=("data/train",), cache=tmp_path))
    assert data.cache == tmp_path and plan(Config())[1].cache is None


def test_the_rate_rises_and_falls():
    preset = replace(PRESET, steps=100, warm_up=0.1, decay=0.5, lr=1.0)
    assert rate(0, preset) == pytest.approx(0.1) and rate(9, preset) == rate(50, preset) == 1.0
    assert rate(75, preset) == pytest.approx(0.5) and rate(100, preset) == 0.0


def test_parts_learn_alone(tmp_path: Path):
    made = Trainer(tmp_path, Learner(from_nothing(SMALLEST, 0), replace(PRESET, only=("motion",))), ALONE, "ddp")
    made.step(iter([noise(side=32), noise(seed=1, side=32)]))
    start = from_nothing(SMALLEST, 0).state_dict()
    changed = {name for name, tensor in made.network.state_dict().items() if not torch.equal(tensor, start[name])}
    assert changed and all(name.startswith("motion.") for name in changed)


def test_weights_of_another_size_are_refused(tmp_path: Path):
    file = write_network(Network(SMALLEST), tmp_path)
    assert begin(str(file), SMALLEST, 0).sizes == SMALLEST
    with pytest.raises(UserError, match="another size"):
        begin(str(file), PRESETS["tiny"].sizes, 0)


def test_unknown_presets_are_one_line():
    with pytest.raises(UserError, match="unknown preset 'huge': choose one of tiny, small, farther, paper"):
        find_preset("huge")


def test_weights_that_are_shipped_are_the_mean_of_those_given(tmp_path: Path):
    networks = [from_nothing(SMALLEST, seed) for seed in (0, 1)]
    folders = tuple(tmp_path / str(seed) for seed in (0, 1))
    for network, folder in zip(networks, folders, strict=True):
        write_network(network, folder)
    shipped = ship.main(ship.Config(weights=folders, out=tmp_path / "out", licence="CC0-1.0"))
    state, (first, second) = load_file(shipped), (network.state_dict() for network in networks)
    for name, tensor in state.items():
        torch.testing.assert_close(tensor.float(), (first[name] + second[name]) / 2, atol=1e-4, rtol=1e-3)
    write_network(Network(replace(SMALLEST, matching=0)), tmp_path / "other")
    with pytest.raises(UserError, match="of several sizes"):
        ship.main(ship.Config(weights=(folders[0], tmp_path / "other"), out=tmp_path / "out"))
