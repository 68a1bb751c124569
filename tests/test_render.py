"""`generation/render.py` as a user runs it: the same bytes whatever happens, and bad input answered in one line."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from generation import families
from vdpm.files import sha256
from vdpm.storage import read_members, read_shard

SMALL = ["--resolution", "64x48", "--frames", "3"]
SHARD = "kubric_f-000000.tar"


def render(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Run the command to its end."""
    command = [sys.executable, "generation/render.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """Three clips made by two workers."""
    folder = tmp_path_factory.mktemp("rendered") / "data"
    done = render("--num", "3", "--out", str(folder), "--workers", "2", *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_one_worker_makes_the_same_bytes_as_two(rendered, tmp_path):
    """The second and third clip come from a worker that has made others before."""
    assert render("--num", "3", "--out", str(tmp_path), "--workers", "1", *SMALL).returncode == 0
    assert sha256(tmp_path / SHARD) == sha256(rendered / SHARD)


def test_clips_made_one_by_one_join_into_the_same_shard(rendered, tmp_path):
    for part in (["--first", "1", "--num", "1"], ["--num", "3"]):
        assert render(*part, "--out", str(tmp_path), *SMALL).returncode == 0
    assert sha256(tmp_path / SHARD) == sha256(rendered / SHARD)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(rendered, tmp_path):
    command = [sys.executable, "generation/render.py", "--num", "3", "--out", str(tmp_path), "--workers", "1", *SMALL]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("clips/*.tar")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("clips/*.tar")}
    assert finished and not (tmp_path / SHARD).exists()
    again = render("--num", "3", "--out", str(tmp_path), *SMALL)
    assert again.returncode == 0, again.stderr
    assert f"{len(finished)}/3" in again.stderr  # the bar starts at what was there
    assert sha256(tmp_path / SHARD) == sha256(rendered / SHARD)
    expected = ["dataset.json", "kubric_f-000000.json", SHARD, "status.json", "wids.json"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == expected


def test_a_shard_whose_manifest_was_not_written_counts(rendered, tmp_path):
    assert render("--num", "1", "--out", str(tmp_path), *SMALL).returncode == 0
    before = sha256(tmp_path / SHARD)
    (tmp_path / "kubric_f-000000.json").unlink()
    again = render("--num", "1", "--out", str(tmp_path), *SMALL)
    assert again.returncode == 0 and sha256(tmp_path / SHARD) == before
    assert json.loads((tmp_path / "kubric_f-000000.json").read_text())["sha256"] == before


def test_the_manifest_tells_the_truth(rendered):
    manifest = json.loads((rendered / "kubric_f-000000.json").read_text())
    assert manifest["sha256"] == sha256(rendered / SHARD)
    assert manifest["bytes"] == (rendered / SHARD).stat().st_size
    assert manifest["clips"] == [name for name, _ in read_members(rendered / SHARD)]
    assert manifest["clips"] == [f"kubric_f-0-{index:08d}" for index in range(3)]


def test_plain_webdataset_reads_the_shard(rendered):
    shard: Any = webdataset.WebDataset(str(rendered / SHARD), shardshuffle=False)  # pyright: ignore[reportAttributeAccessIssue]
    samples = list(shard.decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [f"kubric_f-0-{index:08d}" for index in range(3)]
    assert len({frozenset(sample) for sample in samples}) == 1
    assert samples[0]["rgb.0002.jpg"].shape == (48, 64, 3)
    assert samples[0]["triangle.npz"]["0002"].shape == (48, 64)


def test_clips_are_worth_having(rendered):
    """Not black, not burnt, not one colour; every asset has its licence; something moves."""
    for clip in read_shard(rendered / SHARD):
        assert 20 < clip.rgb.mean() < 235 and clip.rgb.std() > 10
        assert all(body["licence"] for body in clip.meta["bodies"]) and clip.meta["light"]["licence"]
        assert np.ptp(clip.surfaces.world_from_body, axis=0).max() > 0.05
        assert clip.meta["seed"] == 0 and clip.meta["packages"]["bpy"].startswith("4.5")
    names = [clip.meta["bodies"] for clip in read_shard(rendered / SHARD)]
    assert names[0] != names[1] != names[2]


def test_the_parent_never_imports_blender_or_the_simulator():
    heavy = "import sys, generation.render; sys.exit(bool({'bpy', 'pybullet', 'kubric'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--num", "0"], ["--num 0", "1 or more"]),
        (["--num", "1", "--family", "kubric_z"], ["'kubric_z'", "kubric_f", "generation/scenes/"]),
        (["--num", "1", "--resolution", "256"], ["--resolution 256", "WIDTHxHEIGHT"]),
        (["--num", "1", "--frames", "1"], ["--frames 1", "2 or more"]),
        (["--num", "1", "--seed", "-1"], ["--seed -1", "0 is a seed"]),
        (["--num", "1", "--workers", "0"], ["--workers 0", "1 or more"]),
        (["--num", "1", "--first", "-5"], ["--first -5", "0 or more"]),
        (["--num", "1", "--samples", "0"], ["--samples 0", "1 or more"]),
        (["--num", "1", "--samples", "6", "--subpixels", "2"], ["--samples 6", "multiple of 4"]),
        (["--num", "1", "--neighbours", "2"], ["--neighbours 2", "--subpixels 2"]),
        (["--num", "1", "--executor", "slurm"], ["'slurm'", "local, ray", "generation/executors/"]),
        (["--num", "1", "--device", "tpu"], ["'tpu'", "auto, cpu, optix"]),
        (["--num", "1", "--device", "metal"], ["--device metal", "there is cpu"]),
        (["--num", "600", "--shards", "3:4"], ["--shards 3:4", "0:3"]),
        (["--num", "600", "--shards", "first"], ["--shards first", "A:B"]),
        (["--num", "1", "--out", "README.md/data"], ["README.md/data", "--out"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, words):
    done = render(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
    assert all(word in done.stderr for word in words), done.stderr


def test_clips_of_another_recipe_are_not_mixed_in(rendered):
    done = render("--num", "4", "--out", str(rendered), "--resolution", "64x64", "--frames", "3")
    assert done.returncode == 2 and "[64, 48] not [64, 64]" in done.stderr and done.stderr.count("\n") == 1


def test_a_truncated_shard_is_named(rendered, tmp_path):
    (tmp_path / "dataset.json").write_bytes((rendered / "dataset.json").read_bytes())
    (tmp_path / SHARD).write_bytes((rendered / SHARD).read_bytes()[:50_000])
    done = render("--num", "3", "--out", str(tmp_path), *SMALL)
    assert done.returncode == 2 and SHARD in done.stderr and done.stderr.count("\n") == 1


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    """A limit on the size of files stands in for the disk: the system refuses the write just the same."""
    limit = 60_000
    done = render(
        "--num", "1", "--out", str(tmp_path), *SMALL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: cannot write ") and last.endswith(os.strerror(27)), last
    assert not list(tmp_path.rglob("*.tar"))


def test_help_explains_every_flag():
    done = render("--help")
    assert done.returncode == 0
    flags = ("num", "first", "shards", "out", "staging", "family", "resolution", "frames", "samples", "seed", "workers")
    for flag in (
        *flags,
        "device",
        "engine",
        "executor",
        "address",
        "quiet",
        "timeout",
        "memory",
        "recycle",
        "recycle-clips",
        "reserve",
    ):
        assert f"--{flag} " in done.stdout or f"--{flag}," in done.stdout, flag


def test_without_blender_it_says_what_to_install(monkeypatch):
    from generation import render as command
    from vdpm.errors import UserError

    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "bpy" else object())
    with pytest.raises(UserError, match=r"bpy not installed: .*\[generation\]"):
        command.check(command.Config(num=1))


@pytest.mark.slow
def test_every_family_is_the_same_from_one_worker_and_from_two(tmp_path):
    number = str(len(families.names()))
    for workers in ("1", "2"):
        out = ["--out", str(tmp_path / workers), "--workers", workers]
        assert render("--num", number, "--family", "all", *out, *SMALL).returncode == 0
    for shard in (tmp_path / "1").glob("*.tar"):
        assert sha256(shard) == sha256(tmp_path / "2" / shard.name)
