"""A Ray cluster: every clip is a task, and every core has a process of the method. Ray tries again when a machine is lost.

A task answers with the bytes of its file, so that the machines need share no disk. All need this package and what the method
needs; weights that are named by a path have to lie there on each, those that are named by a hub are fetched. A method with
weights is given a GPU where the cluster has some.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.asking import Asking, Job, Order, Reply, Worker
from vdpm.cluster import connect
from vdpm.errors import UserError
from vdpm.files import replacing

RETRIES = 3
"""Times that a clip is asked again after its machine was lost."""
AHEAD = 2
"""Tasks handed to Ray for each of its cores: enough to keep it busy, few enough to hold little."""
WAIT_SECONDS = 1.0

_kept: tuple[Order, Worker] | None = None
"""The method of this process of Ray: tasks that follow each other share it."""


def run(order: Order, jobs: Iterator[Job], asking: Asking) -> Iterator[tuple[Job, str]]:
    """Have all jobs answered on the cluster at `asking.address`, or on this machine if there is none."""
    ray = connect(asking.address)
    try:
        task, slots = _task(ray, order)
        waiting, running = next(jobs, None), {}
        while waiting is not None or running:
            while waiting is not None and len(running) < AHEAD * slots:
                running[task.remote(order, waiting, asking.limit)] = waiting
                waiting = next(jobs, None)
            for reference in ray.wait(list(running), timeout=WAIT_SECONDS)[0]:
                job = running.pop(reference)
                yield job, _outcome(ray, reference, job)
    finally:
        ray.shutdown()


def _task(ray: Any, order: Order) -> tuple[Any, int]:
    """What Ray is to run, and how many at once."""
    cores, gpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("CPU", "GPU"))
    wanted = 1 if gpus and order.method.weights else 0
    named = {name: os.environ[name] for name in (order.method.weights,) if name in os.environ}
    task = ray.remote(num_cpus=1, num_gpus=wanted, max_retries=RETRIES, runtime_env={"env_vars": named})(answer)
    return task, max(1, gpus if wanted else cores)


def answer(order: Order, job: Job, limit: float) -> tuple[str, bytes]:
    """Why there is no answer to a job, and the bytes of the file of answers. Runs on the cluster."""
    with tempfile.TemporaryDirectory(prefix="answers-") as folder:
        here = replace(job, path=Path(folder) / job.path.name)
        worker = _worker(order, limit)
        worker.give(here)
        reply = worker.wait()
        worker.job = None
        if reply.refused:
            raise UserError(reply.refused)
        return reply.failure, b"" if reply.failure else here.path.read_bytes()


def _worker(order: Order, limit: float) -> Worker:
    """The method, loaded. Raises `UserError` when it cannot start."""
    global _kept
    if _kept and _kept[0] == order and not _kept[1].gone:
        return _kept[1]
    worker = Worker(order, limit)
    reply: Reply = worker.wait()
    if reply.refused or reply.failure:
        raise UserError(reply.refused or f"method {order.method.name!r} cannot start: {reply.failure}")
    _kept = order, worker
    return worker


def _outcome(ray: Any, reference: Any, job: Job) -> str:
    try:
        failure, data = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, UserError) else error from None
    except ray.exceptions.RayError as error:  # machines were lost, or ran out of memory, again and again
        return f"method failed: {type(error).__name__} after {RETRIES} retries"
    if not failure:
        with replacing(job.path) as file:
            file.write(data)
    return failure
