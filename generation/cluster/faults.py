"""Kill workers and whole runs at random moments, start again, and compare the bytes with those of an undisturbed run.

    python -m generation.cluster.faults --clips 40 --kills 20

Exit status 2 if a shard differs, a file under a final name is not whole, a finished clip was made again, or more clips were
begun in vain than processes were killed.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import tyro

from vdpm.errors import UserError, run_command
from vdpm.files import sha256
from vdpm.storage import read_members

POLL_SECONDS = 0.1
CLAIM_SECONDS = 0.02
"""Between two looks at who makes which clip: far less than a clip takes."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    clips: int = 40
    """How many clips the job has."""
    kills: int = 20
    """How many processes are killed with SIGKILL, at moments spread over the job."""
    resolution: str = "64x64"
    """WIDTHxHEIGHT in pixels."""
    frames: int = 2
    """Frames per clip."""
    workers: int = 2
    """Processes."""
    family: str = "kubric_f"
    """Scene families, as for generation/render.py."""
    seed: int = 0
    """Of the moments and victims; the dataset's own is 0."""


class Job:
    """A run of `generation/render.py` that can be killed and started again."""

    def __init__(self, config: Config, out: Path):
        self.out = out
        self.command = [
            sys.executable, "-m", "generation.render", "--num", str(config.clips), "--resolution", config.resolution,
            "--frames", str(config.frames), "--samples", "1", "--workers", str(config.workers), "--family", config.family,
            "--out", str(out), "--quiet",
        ]  # fmt: skip
        self.workers: list[psutil.Process] = []
        """Of parents that were killed."""
        self.begun: set[tuple[str, str]] = set()
        """Clips and who made them, also in vain."""
        threading.Thread(target=self._look, daemon=True).start()
        self.process = self._start()

    def _look(self) -> None:
        while True:
            for claim in self.out.glob("clips/*.claim"):
                with suppress(FileNotFoundError):
                    if maker := claim.read_text():
                        self.begun.add((claim.name, maker))
            time.sleep(CLAIM_SECONDS)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)

    def finished(self) -> dict[str, int]:
        """Clips under their final names, and when each was written."""
        return {path.name: path.stat().st_mtime_ns for path in _there(self.out.glob("clips/*.tar"))}

    def wait_for(self, done: int) -> bool:
        """Until so many clips are finished; whether the run is still going then."""
        while self.process.poll() is None:
            if len(self.finished()) >= done:
                return True
            time.sleep(POLL_SECONDS)
        return False

    def kill_worker(self, rng: np.random.Generator) -> bool:
        """Kill one of the processes that make clips; False if there is none at the moment."""
        workers = psutil.Process(self.process.pid).children()
        if workers:
            workers[rng.integers(len(workers))].kill()
        return bool(workers)

    def kill_all(self) -> None:
        """Kill the parent, whose workers finish the clips that they are at, and start the command again at once."""
        self.workers += psutil.Process(self.process.pid).children()
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def wait_for_the_workers(self) -> None:
        """Raises `UserError` if one outlives its parent for long."""
        _, alive = psutil.wait_procs(self.workers, timeout=60)
        if alive:
            raise UserError(f"{len(alive)} workers outlived their parent, and all work, by a minute")


def _there(paths: Iterator[Path]) -> Iterator[Path]:
    return (path for path in sorted(paths) if path.exists())


def disturb(config: Config, job: Job) -> Counter[str]:
    """Kill and start again; what was killed how often. Raises `UserError` on what must not be."""
    rng = np.random.default_rng(config.seed)
    moments = np.sort(rng.integers(0, config.clips - config.workers, config.kills))
    killed: Counter[str] = Counter()
    seen: dict[str, int] = {}
    for moment in moments.tolist():
        if not job.wait_for(moment):
            break
        time.sleep(rng.uniform(0, 3))
        if job.process.poll() is not None:
            break
        if rng.random() < 0.5 and job.kill_worker(rng):
            killed["worker"] += 1
        else:
            job.kill_all()
            killed["parent"] += 1
        seen |= check(job, seen)
        print(f"{sum(killed.values()):3d} kills, {len(seen):3d} of {config.clips} clips finished", flush=True)
    job.process.communicate()
    job.wait_for_the_workers()
    return killed


def lost(config: Config, job: Job, killed: int) -> int:
    """How many clips were begun in vain. Raises `UserError` if these are more than one a kill."""
    count = len(job.begun) - config.clips
    if not 0 <= count <= killed:
        raise UserError(f"{len(job.begun)} clips were begun to make {config.clips}, with {killed} kills")
    return count


def check(job: Job, before: dict[str, int]) -> dict[str, int]:
    """The clips that are finished now. Raises `UserError` if one is cut off, has gone, or was made again."""
    now = job.finished()
    if again := [name for name, written in before.items() if now.get(name, written) != written]:
        raise UserError(f"{again[0]} was finished and was made again")
    for path in _there(job.out.rglob("*.tar")):
        sum(1 for _ in read_members(path))
    return now


def main(config: Config) -> None:
    """Run once in peace and once disturbed, and compare."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        peace, war = Path(folder) / "peace", Path(folder) / "war"
        start = time.monotonic()
        job = Job(config, peace)
        job.process.communicate()
        seconds = time.monotonic() - start
        start = time.monotonic()
        job = Job(config, war)
        killed = disturb(config, job)
        if job.process.returncode not in (0, 3):
            raise UserError(f"the last run ended with status {job.process.returncode}")
        print(f"undisturbed {seconds:.0f} s, disturbed {time.monotonic() - start:.0f} s")
        compare(peace, war)
    in_vain = lost(config, job, killed.total())
    listed = " and ".join(f"{count} x the {victim}" for victim, count in sorted(killed.items()))
    print(f"killed {listed}: every shard has the same bytes, none was ever cut off, no finished clip was made again")
    print(f"{in_vain} clips were begun in vain: at most one a kill")


def compare(peace: Path, war: Path) -> None:
    """Raises `UserError` unless both hold the same shards."""
    hashes = [{path.name: sha256(path) for path in folder.glob("*.tar")} for folder in (peace, war)]
    if hashes[0] != hashes[1] or not hashes[0]:
        raise UserError(f"the shards differ: {hashes[0]} undisturbed, {hashes[1]} disturbed")
    for name, digest in hashes[0].items():
        print(f"{digest}  {name}")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
