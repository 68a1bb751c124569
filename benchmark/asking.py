"""Methods in processes of their own: what one does to its process, memory or GPU costs a blank and nothing else.

The process of a method is `python -m benchmark.worker`. It answers jobs one after the other and writes the files. One that
dies, or does not answer in time, is ended, and another takes its place. Where such processes run, an executor decides: each
file of `executors/` is one, known by its name, imported only when asked for. Its `run(order, jobs, asking)` has all jobs
answered into their files and tells of each, in any order, why there is no answer, or "" when there is one. It draws jobs as
processes become free, so that memory stays constant, and raises `UserError` when the method cannot start.
"""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from benchmark.predictions import Header
from benchmark.registry import Method
from benchmark.tasks import Scene, Task
from vdpm.errors import unknown

EXECUTORS = Path(__file__).parent / "executors"
GRACE_SECONDS = 2.0
"""For a process to end by itself."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How methods are asked: none of it has an influence on what they answer."""

    workers: int = 1
    """Processes of the method on this machine."""
    limit: float = 3600.0
    """Seconds for a clip."""
    overwrite: bool = False
    """Ask again even where files are there."""
    flops: bool = False
    quiet: bool = False
    """No progress bars, for many runs beside each other."""
    executor: str = "local"
    address: str | None = None
    """Of a cluster."""


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

    def wait(self) -> Reply:
        """`reply`, as soon as there is one or the time is over."""
        wait([self.connection], max(0.0, self.deadline - time.monotonic()))
        return self.reply()

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


def connection_of(descriptor: int) -> Connection:
    """The worker's end of the pipe; what it starts in turn does not inherit it."""
    os.set_inheritable(descriptor, False)
    return Connection(descriptor)


def executor_names() -> list[str]:
    """All executors, sorted."""
    return sorted(path.stem for path in EXECUTORS.glob("*.py") if path.stem != "__init__")


def find_executor(name: str) -> Callable[[Order, Iterator[Job], Asking], Iterator[tuple[Job, str]]]:
    """`run` of an executor. Raises `UserError` when there is none of this name."""
    if name not in executor_names():
        raise unknown("executor", name, executor_names(), "add one as benchmark/executors/NAME.py")
    return importlib.import_module(f"benchmark.executors.{name}").run
