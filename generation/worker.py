"""A process that makes clips, and its keeper. Blender and PyBullet are globals of a process, leak, crash and hang, so they
live in a child that is watched and replaced; the keeper imports neither.

The two talk in lines of JSON: a job goes to the child's standard input; back come {"attempt": n} with every scene drawn,
then {"made": ...}, {"error": ...} or {"stop": ...}.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from generation.jobs import Job, Limits, Outcome
from vdpm.errors import UserError

TRIES = 2
"""Times that a scene is tried before the next draw takes its place."""
TRIES_KILLED = 6
"""The same for a worker ended by SIGKILL: most likely not the scene's fault."""
SUBSTITUTES = 3
"""Draws of a clip that may be replaced before the clip counts as failed."""
WATCH_SECONDS = 0.2
START_SECONDS = 300.0
"""What a process may take, besides the time-out, until it draws its first scene."""
CHILD = (sys.executable, "-m", "generation.working")


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A draw that came to nothing."""

    attempt: int
    reason: str
    """Without numbers or names of the moment: it becomes part of the clip."""
    detail: str = ""
    tries: int = TRIES


ONE_CORE = {"OPENBLAS_NUM_THREADS": "1"}
"""A worker has one core: numpy's small products gain nothing from threads, whose waiting costs CPU time."""


class Worker:
    """Makes one clip after the other in a child process, a fresh one whenever the last died, grew or aged."""

    def __init__(self, limits: Limits, command: tuple[str, ...] = CHILD, outlive: bool = False):
        """If this process is killed, a child that may outlive it finishes the clip in work."""
        self.limits, self.command, self.outlive = limits, command, outlive
        self.clips = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.scratch: Path | None = None
        self.closed = False

    def make(self, job: Job) -> Outcome:
        """The clip in its file, by the first of its draws that can be made.

        Raises:
            UserError: it could not be written, or no other could be made either.
        """
        skipped = dict(job.skipped)
        lost: list[Lost] = []
        while len(skipped) <= len(job.skipped) + SUBSTITUTES:
            answer = self._try(job, skipped)
            if not isinstance(answer, Lost):
                return Outcome(job=job, **{**answer, "substituted": tuple(answer.get("substituted", {}).values())})
            lost.append(answer)
            if sum(one.attempt == answer.attempt for one in lost) >= answer.tries:
                skipped[answer.attempt] = answer.reason
        return Outcome(
            job=job, failure=f"{lost[-1].reason} {lost[-1].detail}".strip(), substituted=(*skipped.values(),)
        )

    def close(self) -> None:
        """End the child at once: what it has in work is not finished and will be made again."""
        self.closed = True
        self._end()

    def _try(self, job: Job, skipped: dict[int, str]) -> dict[str, Any] | Lost:
        process = self._child()
        try:
            send(process.stdin, self._task(job, skipped))
            return self._watch(process)
        except BrokenPipeError:
            return self._dead(process, 0)

    def _task(self, job: Job, skipped: dict[int, str]) -> dict[str, Any]:
        limits = {"timeout": self.limits.timeout, "memory": self.limits.memory} if self.outlive else None
        return {**asdict(job), "path": str(job.path), "skipped": sorted(skipped.items()), "outlive": limits}

    def _watch(self, process: subprocess.Popen[bytes]) -> dict[str, Any] | Lost:
        """Wait for the answer, and no longer than allowed."""
        attempt, start = 0, time.monotonic() + START_SECONDS
        while True:
            line = _receive(process.stdout)
            if line == b"":
                return self._dead(process, attempt)
            answer = json.loads(line) if line else {}
            if "attempt" in answer:
                attempt, start = answer["attempt"], time.monotonic()
            elif "stop" in answer:
                raise UserError(answer["stop"])
            elif answer:
                megabytes = self._retire(process)
                return (
                    _lost(attempt, answer["error"]) if "error" in answer else {**answer["made"], "megabytes": megabytes}
                )
            if excess := self._excess(process, time.monotonic() - start):
                self._end()
                return Lost(attempt=attempt, reason=excess)

    def _excess(self, process: subprocess.Popen[bytes], seconds: float) -> str | None:
        if seconds > self.limits.timeout:
            return f"took more than {self.limits.timeout:g} s"
        if _megabytes(process.pid) > self.limits.memory:
            return f"took more than {self.limits.memory} MB"
        return None

    def _dead(self, process: subprocess.Popen[bytes], attempt: int) -> Lost:
        status = process.wait()
        self._end()
        if self.closed:
            raise UserError("stopped")
        reason = f"ended with {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return Lost(attempt=attempt, reason=reason, tries=TRIES_KILLED if status == -signal.SIGKILL else TRIES)

    def _retire(self, process: subprocess.Popen[bytes]) -> float:
        """End a child that has made enough clips or holds too much; what it held, in MB."""
        self.clips, megabytes = self.clips + 1, _megabytes(process.pid)
        if self.clips >= self.limits.recycle_clips or megabytes > self.limits.recycle:
            self._end()
        return megabytes

    def _child(self) -> subprocess.Popen[bytes]:
        if self.closed:
            raise UserError("stopped")
        if self.process is None:
            self.scratch = Path(tempfile.mkdtemp(prefix="clips-"))
            # Kubric keeps a lock. When a worker is ended abruptly, Python frees it and would report so.
            environment = {
                **os.environ,
                **ONE_CORE,
                "TMPDIR": str(self.scratch),
                "PYTHONWARNINGS": "ignore:resource_tracker:UserWarning",
            }
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
            )
            self.clips = 0
        return self.process

    def _end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)


def _lost(attempt: int, error: list[str]) -> Lost:
    kind, text = error
    return Lost(attempt=attempt, reason=f"raised {kind}", detail=text)


def send(stream: IO[bytes] | None, value: dict[str, Any]) -> None:
    """Write a value as a line of JSON."""
    assert stream is not None
    stream.write(json.dumps(value).encode() + b"\n")
    stream.flush()


def _receive(stream: IO[bytes] | None) -> bytes | None:
    """A line; None if there is none for a while; empty at the end."""
    assert stream is not None
    ready, _, _ = select.select([stream], [], [], WATCH_SECONDS)
    return stream.readline() if ready else None


def _megabytes(pid: int) -> float:
    try:
        return psutil.Process(pid).memory_info().rss / 1e6
    except psutil.NoSuchProcess:
        return 0.0
