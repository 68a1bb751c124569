"""The Blender view: what it renders is what the truth describes. Depth is compared with Cycles' own Z pass."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter


@pytest.mark.parametrize(("width", "height"), [(128, 96), (72, 128)])
def test_derived_depth_is_cycles_depth(tmp_path, width, height):
    """To 1e-3 relative, away from silhouettes, for landscape and portrait images."""
    out = tmp_path / "depth.npz"
    command = [sys.executable, "-m", "tests.blender_depth", str(out), str(width), str(height)]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(out, allow_pickle=False) as depth:
        blender, derived, triangle = depth["blender"], depth["derived"], depth["triangle"]
    sky = np.where(triangle < 0, 1e10, derived)
    smooth = maximum_filter(sky, 3) < 1.1 * minimum_filter(sky, 3)  # no depth step among the neighbours
    inside = smooth & (triangle >= 0)
    assert inside.mean() > 0.3
    error = np.abs(blender - derived)[inside] / derived[inside]
    assert np.percentile(error, 99.5) <= 1e-4
    assert error.max() <= 1e-3
    assert (blender[smooth & (triangle < 0)] > 1e9).all()
