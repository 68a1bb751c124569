"""Sub-pixels: their filter in closed form, and against Cycles' own pixel filter."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal.windows import blackmanharris

from generation.dataset import configuration_hash
from generation.make import Recipe
from generation.subpixels import REACH, kernel, shrink


def test_clips_of_sub_pixels_say_how_those_were_made_and_others_do_not():
    """So that a folder that was begun with other sub-pixels is refused, and those without any keep their bytes."""
    recipe = Recipe(seed=0, resolution=(8, 8), frames=2, samples=4)
    assert "fine" not in recipe.facts() and replace(recipe, subpixels=2).facts()["fine"] == recipe.fine
    before = replace(recipe, subpixels=2, fine=1)
    assert configuration_hash(before.facts()) != configuration_hash(replace(before, fine=2).facts())


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_filter_is_as_wide_as_the_window_that_scipy_knows(n):
    """Weights times boxes of 1 / n: the variance of Blackman-Harris over twice its reach, no more and no less."""
    steps = 7200
    window = blackmanharris(2 * steps + 1)[1::2]
    place = ((np.arange(steps) + 0.5) / steps - 0.5) * 2 * REACH
    weights = kernel(n)
    middle = (np.arange(len(weights)) - (len(weights) - 1) / 2) / n
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all() and np.allclose(weights, weights[::-1])
    assert weights @ middle**2 + 1 / (12 * n**2) == pytest.approx(window @ place**2 / window.sum(), rel=1e-6)


def test_with_many_sub_pixels_the_filter_is_the_window_itself():
    n = 30
    place = (np.arange(len(kernel(n))) - (len(kernel(n)) - 1) / 2) / n
    fine = blackmanharris(2 * 7200 + 1)[1::2]
    window = np.interp(place, ((np.arange(7200) + 0.5) / 7200 - 0.5) * 2 * REACH, fine, left=0, right=0)
    np.testing.assert_allclose(kernel(n), window / window.sum(), atol=2e-5)


def test_a_ramp_stays_a_ramp_through_pixel_centres():
    n, height, width = 2, 6, 9
    y, x = np.mgrid[: n * height, : n * width]
    fine = np.stack([x + 0.5, y + 0.5, np.full(x.shape, 7.0)], axis=-1).astype(np.float32) / n
    rows, columns = np.mgrid[:height, :width] + 0.5
    inner = (slice(1, -1), slice(1, -1))
    shrunk = shrink(fine, n)
    assert shrunk.shape == (height, width, 3)
    np.testing.assert_allclose(shrunk[inner][..., 0], columns[inner], atol=1e-5)
    np.testing.assert_allclose(shrunk[inner][..., 1], rows[inner], atol=1e-5)
    np.testing.assert_allclose(shrunk[..., 2], 3.5, atol=1e-5)


def test_cycles_filters_in_the_same_way(tmp_path):
    """Many paths, no denoiser: pixels rendered as pixels and as sub-pixels are the same image, edges and all."""
    out = tmp_path / "images.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.blender_subpixels", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(out, allow_pickle=False) as images:
        plain, fine, shifted = images["plain"], images["fine"], images["fine"][:, 1:]
    inner = (slice(2, -2), slice(2, -2))
    wrong = np.abs(plain - fine)[inner]
    assert plain[inner].std() > 20, "the scene has edges"
    assert wrong.mean() < 1.0 and np.percentile(wrong, 99) < 9, "sharper by a little, but the same edges"
    assert np.abs(plain[:, :-1] - shifted)[inner].mean() > 3 * wrong.mean()
