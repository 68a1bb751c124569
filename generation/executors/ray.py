"""A Ray cluster: every clip is a task. Ray tries again elsewhere when a machine is lost.

A task answers with the bytes of its clip, so that the machines need share no disk. All need this package, and Ray's memory
limits apply to a task as a whole: `--memory` is asked of the cluster for each.
"""

import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.jobs import Job, Limits, Outcome, Plan
from generation.worker import Worker
from vdpm.cluster import connect
from vdpm.errors import UserError
from vdpm.files import replacing

RETRIES = 8
"""Times that a clip is tried again on another machine after its own was lost."""
AHEAD = 2
"""Tasks handed to Ray for each of its cores: enough to keep it busy, few enough to stop quickly."""
WAIT_SECONDS = 1.0

_worker: Worker | None = None
"""Of this process of Ray: tasks that follow each other share it."""


def run(jobs: list[Job], plan: Plan) -> Generator[Outcome, None, None]:
    """Make all clips on the cluster at `plan.address`, or on this machine if there is none."""
    ray = connect(plan.address)
    task = ray.remote(
        num_cpus=1, memory=plan.limits.memory * 1_000_000, max_retries=RETRIES, max_calls=plan.limits.recycle_clips
    )(make)
    waiting, running = list(reversed(jobs)), {}
    try:
        while waiting or running:
            room = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1))) - len(running)
            for job in [waiting.pop() for _ in range(min(room, len(waiting)))]:
                running[task.remote(job, plan.limits)] = job
            ready, _ = ray.wait(list(running), timeout=WAIT_SECONDS)
            for reference in ready:
                yield _outcome(ray, reference, running.pop(reference))
    finally:
        ray.shutdown()


def make(job: Job, limits: Limits) -> tuple[Outcome, bytes]:
    """One clip and its tar. Runs on the cluster."""
    global _worker
    if _worker is None:
        _worker = Worker(limits)
    with tempfile.TemporaryDirectory(prefix="clip-") as folder:
        here = Path(folder) / job.path.name
        outcome = _worker.make(replace(job, path=here))
        return replace(outcome, job=job), b"" if outcome.failure else here.read_bytes()


def _outcome(ray: Any, reference: Any, job: Job) -> Outcome:
    try:
        outcome, data = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise cause if isinstance(cause, UserError) else error from None
    except ray.exceptions.RayError as error:  # machines were lost, or ran out of memory, again and again
        return Outcome(job=job, failure=f"{type(error).__name__} after {RETRIES} retries")
    if outcome.failure is None:
        with replacing(job.path) as file:
            file.write(data)
    return outcome
