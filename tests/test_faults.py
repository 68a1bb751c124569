"""The script of faults, at a size that takes minutes; and that it notices what it looks for."""

import subprocess
import sys
from pathlib import Path

import pytest

from generation.cluster import faults
from tests.tiny import tiny_clip
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard


class Still(faults.Job):
    """A job that does nothing more."""

    def __init__(self, out: Path):
        self.out = out


def test_a_clip_made_again_and_a_tar_cut_off_are_noticed(tmp_path):
    clip = tmp_path / "clips" / "tiny-0-00000000.tar"
    write_shard(clip, [("tiny-0-00000000", encode(tiny_clip(frames=2)))])
    job = Still(tmp_path)
    seen = faults.check(job, {})
    assert list(seen) == [clip.name]
    with pytest.raises(UserError, match="was finished and was made again"):
        faults.check(job, {clip.name: seen[clip.name] - 1})
    clip.write_bytes(clip.read_bytes()[:3000])
    with pytest.raises(UserError, match="cannot read shard"):
        faults.check(job, {})


def test_shards_that_differ_are_noticed(tmp_path):
    for name, data in (("peace", b"a"), ("war", b"b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kubric_f-000000.tar").write_bytes(data)
    with pytest.raises(UserError, match="the shards differ"):
        faults.compare(tmp_path / "peace", tmp_path / "war")
    with pytest.raises(UserError, match="the shards differ"):
        faults.compare(tmp_path, tmp_path)  # none at all


@pytest.mark.slow
def test_a_job_with_random_kills_ends_with_the_bytes_of_one_without():
    command = [sys.executable, "-m", "generation.cluster.faults", "--clips", "6", "--kills", "4"]
    done = subprocess.run([*command, "--resolution", "32x32"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "every shard has the same bytes" in done.stdout
