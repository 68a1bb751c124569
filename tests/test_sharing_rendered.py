"""Clips whose frames share light, as the command renders them: only images change, and they get nearer to the truth."""

import subprocess
import sys

import pytest

from vdpm.storage import read_members, read_shard

COMMAND = [
    sys.executable, "-m", "generation.render", "--num", "1", "--resolution", "64x64", "--frames", "5", "--workers", "1",
]  # fmt: skip


def rendered(folder, *flags):
    done = subprocess.run(
        [*COMMAND, "--quiet", "--out", str(folder), *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (shard,) = folder.glob("*.tar")
    return shard


def truth(shard):
    ((_, fields),) = read_members(shard)
    return {name: data for name, data in fields.items() if not name.startswith(("rgb", "meta"))}


@pytest.mark.slow
def test_only_images_change_and_they_get_nearer_to_many_samples(tmp_path):
    shards = [
        rendered(tmp_path / "many", "--samples", "256", "--subpixels", "2"),
        rendered(tmp_path / "alone", "--samples", "20", "--subpixels", "2"),
        rendered(tmp_path / "shared", "--samples", "20", "--subpixels", "2", "--neighbours", "2"),
        rendered(tmp_path / "again", "--samples", "20", "--subpixels", "2", "--neighbours", "2"),
    ]
    many, alone, shared, again = (next(iter(read_shard(shard))) for shard in shards)
    assert shards[2].read_bytes() == shards[3].read_bytes() and (shared.rgb == again.rgb).all()
    truths = [truth(shard) for shard in shards[1:3]]
    assert truths[0] == truths[1] and "triangle.npz" in truths[0], "truth stays, byte for byte"
    assert shared.meta["neighbours"] == 2 and "neighbours" not in alone.meta
    wrong = [((clip.rgb.astype(float) - many.rgb) ** 2).mean() for clip in (alone, shared)]
    assert wrong[1] < 0.97 * wrong[0]
