"""The numbers of the rendering benchmark: closed forms, published hashes; and, slowly, a run of it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from generation.bench.__main__ import chosen, row, table
from generation.bench.levers import LEVERS, SUBPIXELS
from generation.bench.measure import Cost
from generation.bench.quality import psnr, ssim
from vdpm.errors import UserError

GREY = np.full((1, 16, 16, 3), 100, np.uint8)
ALL = np.ones((1, 16, 16), bool)


def test_psnr_is_that_of_a_known_error():
    assert psnr(GREY + 5, GREY, ALL) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(GREY, GREY, ALL) == float("inf") and np.isnan(psnr(GREY, GREY, ~ALL))
    half = ALL.copy()
    half[:, 8:] = False
    spoiled = GREY.copy()
    spoiled[:, 8:] = 0
    assert psnr(spoiled, GREY, half) == float("inf") and psnr(spoiled, GREY, ALL) == pytest.approx(
        20 * np.log10(255 / 100) + 10 * np.log10(2)
    )


def test_ssim_of_equal_shifted_and_torn_images():
    """For constant images only the luminance term is left: (2ab + c1) / (a2 + b2 + c1)."""
    c1 = (0.01 * 255) ** 2
    assert ssim(GREY, GREY) == pytest.approx(1.0)
    assert ssim(GREY + 50, GREY) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), rel=1e-4)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, GREY.shape).astype(np.uint8)
    assert ssim(noise, rng.integers(0, 255, GREY.shape).astype(np.uint8)) < 0.2


def test_a_clip_is_its_setup_its_first_frame_and_the_others():
    cost = Cost(open=2.0, first=5.0, other=1.0, truth=0.5, wall=9.0, peak=700.0)
    facts = row("ours", cost, {"rgb": GREY, "moving": ALL}, GREY, length=4)
    assert facts["CPU s a clip"] == 2 + 5 + 3 * 1 + 4 * 0.5 and facts["truth"] == pytest.approx(2 / 12)
    assert "| ours | 12.0 | 1.00 | 1.00 | 16.7% | 700 |" in table([facts])


@pytest.mark.slow
def test_threads_change_no_byte():
    code = """
import tempfile
from pathlib import Path
from generation.bench.measure import Task, measure, quiet
task = Task(view="ours", variants=((4, "as we render"), (4, "one thread")), family="street", resolution=(64, 48), length=3, frames=(0, 2), out="")
with tempfile.TemporaryDirectory() as folder, quiet():
    two, one = (frames["rgb"] for _, frames in measure(task, Path(folder)))
assert two.shape == (2, 48, 64, 3) and two.std() > 10 and (one == two).all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_kubrics_own_view_runs_here_and_the_whole_benchmark(tmp_path):
    """Its hash is the published one; at few samples both views show the same scene."""
    code = (
        "from generation.bench.stock import murmurhash3_32 as h; print(h('hello', True), h('', True), h('abcde', True))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["613153351", "0", "3902511862"]
    command = [sys.executable, "-m", "generation.bench", "--resolution", "48", "--length", "3", "--measured", "2"]
    command += ["--samples", "4", "--reference", "64", "--at", "4", "--levers", "2 x 2 sub-pixels"]
    command += ["--keep", str(tmp_path / "kept"), "--out", str(tmp_path / "table.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kubric, ours, fine = (line.split("|") for line in done.stdout.splitlines()[2:5])
    assert float(kubric[2]) > float(ours[2]) and all(float(row[7]) > 20 for row in (kubric, ours, fine))
    assert len(json.loads((tmp_path / "table.json").read_text())["rows"]) == 3
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == done.stdout, "what was kept is not rendered again"


def test_a_lever_that_is_none_is_one_line():
    assert chosen(("all",)) == list(LEVERS)[1:] and chosen(("light tree",)) == ["light tree"] and chosen(()) == []
    with pytest.raises(UserError, match="unknown lever 'more light': choose one of all, "):
        chosen(("more light",))
    assert set(SUBPIXELS) <= set(LEVERS)


def test_levers_name_settings_once():
    assert next(iter(LEVERS)) == "as we render" and len(LEVERS) > 10
