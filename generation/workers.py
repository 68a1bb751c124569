"""Worker processes that make clips. Blender and PyBullet are globals of a process and Blender leaks, so every worker is
a fresh interpreter, is replaced after a fixed number of clips, and the parent never imports either.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from generation.make import Recipe, make_clip
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard

CLIPS_PER_WORKER = 16
CRASHES_IN_A_ROW = 3


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip to make and where to put it."""

    family: str
    index: int
    recipe: Recipe
    path: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job; `failure` is the reason when there is no clip."""

    job: Job
    failure: str | None = None


def run(jobs: list[Job], workers: int) -> Iterator[Outcome]:
    """Make all clips, each in its own file, and tell as they finish, in any order.

    A clip that raises is a failure and the rest goes on. A worker that dies takes at most the clips in work with it;
    these are made again, unless nothing gets finished any more.

    Raises:
        UserError: a clip could not be written, so that no other could either.
        RuntimeError: workers died `CRASHES_IN_A_ROW` times without a clip in between.
    """
    waiting = {job.path: job for job in jobs}
    crashes = 0
    while waiting:
        try:
            for outcome in _pool(list(waiting.values()), workers):
                del waiting[outcome.job.path]
                crashes = 0
                yield outcome
        except BrokenProcessPool as error:
            crashes += 1
            if crashes == CRASHES_IN_A_ROW:
                raise RuntimeError(
                    f"workers died {crashes} times in a row; last clips tried: {[path.stem for path in waiting][:8]}"
                ) from error


def _pool(jobs: list[Job], workers: int) -> Iterator[Outcome]:
    # Kubric keeps a lock in every worker. When workers are ended abruptly, Python frees these and would report each.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(
        min(workers, len(jobs)), context, initializer=_start_worker, max_tasks_per_child=CLIPS_PER_WORKER
    )
    try:
        futures = {executor.submit(make, job): job for job in jobs}
        for future in as_completed(futures):
            yield _outcome(futures[future], future)
        executor.shutdown()
    finally:
        _stop(executor)


def _outcome(job: Job, future: Future[None]) -> Outcome:
    error = future.exception()
    if isinstance(error, UserError | BrokenProcessPool):
        raise error
    return Outcome(job=job, failure=None if error is None else f"{type(error).__name__}: {error}")


def _stop(executor: ProcessPoolExecutor) -> None:
    """End the workers at once: what they have in work is not finished and will be made again."""
    for process in list((executor._processes or {}).values()):
        process.kill()
    executor.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Ctrl-C is the parent's to handle, and a worker ends with its parent, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def make(job: Job) -> None:
    """Make one clip and write it, whole or not at all. Runs in a worker."""
    clip = make_clip(job.family, job.index, job.recipe)
    write_shard(job.path, [(clip.name, encode(clip))])
