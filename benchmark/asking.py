"""Methods in processes of their own: what one does to its process, memory or GPU costs a blank and nothing else.

The process of a method is `python -m benchmark.worker`. It answers jobs one after the other and writes the files; several
of them share the clips. One that dies, or does not answer in time, is ended, and another takes its place.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from benchmark.predictions import Header
from benchmark.registry import Method
from benchmark.tasks import Scene, Task
from vdpm.errors import UserError

GRACE_SECONDS = 2.0
"""For a process to end by itself."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The tasks of one clip under one question."""

    scene: Scene
    tasks: list[Task]
    header: Header
    suite: str
    path: Path
    """Where the answers go."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker is started with."""

    method: Method
    flops: bool
    """Whether torch operations are counted, which answers the first task of a clip once more."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Of a worker to its order or to a job."""

    failure: str = ""
    """Why there are no answers to this job."""
    refused: str = ""
    """Why the method cannot work at all, which only the user can change."""
    interrupted: bool = False


class Worker:
    """A process that answers one job at a time."""

    def __init__(self, order: Order, limit: float):
        self.limit, self.job = limit, None
        self.connection, theirs = Pipe()
        command = [sys.executable, "-m", "benchmark.worker", str(theirs.fileno())]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=False)
        theirs.close()
        self._send(order)

    def give(self, job: Job) -> None:
        """Send a job; the answer is waited for with `reply`."""
        self.job = job
        self._send(job)

    def _send(self, message: Order | Job) -> None:
        self.deadline = time.monotonic() + self.limit
        try:
            self.connection.send(message)
        except OSError:  # it died before; the closed connection will say so
            pass

    def reply(self) -> Reply:
        """What the worker says, or why it says nothing any more."""
        try:
            if self.connection.poll():
                return self.connection.recv()
        except (EOFError, OSError):
            self.end()
            return Reply(failure=f"method failed: its process ended ({_cause(self.process.returncode)})")
        self.end()
        return Reply(failure=f"method failed: no answer within {self.limit:g} s (--time-limit)")

    def end(self) -> None:
        """End the process, if need be the hard way."""
        self.connection.close()
        try:
            self.process.wait(GRACE_SECONDS if self.process.poll() is None and self.job is None else 0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def gone(self) -> bool:
        return self.connection.closed


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}" + (", perhaps for want of memory" if code == -9 else "")
    return f"exit status {code}"


def ask(order: Order, jobs: Iterator[Job], workers: int, limit: float) -> Iterator[tuple[Job, str]]:
    """Have all jobs answered into their files. Yields each with why there is no answer, "" when there is one.

    Jobs are drawn as workers become free, so that memory stays constant. Raises `UserError` when the method cannot start.
    """
    crew: list[Worker] = []
    try:
        waiting = next(jobs, None)
        while waiting is not None or crew:
            if waiting is not None and len(crew) < workers:
                crew.append(Worker(order, limit))
                continue
            for worker in _ready(crew):
                job, reply = worker.job, worker.reply()
                if reply.interrupted:
                    raise KeyboardInterrupt
                if reply.refused:
                    raise UserError(reply.refused)
                if job is not None:
                    worker.job = None
                    yield job, reply.failure
                elif reply.failure:
                    raise UserError(f"method {order.method.name!r} cannot start: {reply.failure}")
                if waiting is not None and not worker.gone:
                    worker.give(waiting)
                    waiting = next(jobs, None)
                else:
                    worker.end()
                    crew.remove(worker)
    finally:
        for worker in crew:
            worker.end()


def _ready(crew: list[Worker]) -> list[Worker]:
    """Workers that have something to say, have died, or are late."""
    first = min(worker.deadline for worker in crew)
    spoke = set(wait([worker.connection for worker in crew], max(0.0, first - time.monotonic())))
    return [worker for worker in crew if worker.connection in spoke or worker.deadline <= time.monotonic()]


def connection_of(descriptor: int) -> Connection:
    """The worker's end of the pipe; what it starts in turn does not inherit it."""
    os.set_inheritable(descriptor, False)
    return Connection(descriptor)
