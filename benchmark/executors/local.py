"""This machine: processes of the method share the clips."""

import time
from collections.abc import Iterator
from multiprocessing.connection import wait

from benchmark.asking import Asking, Job, Order, Worker
from vdpm.errors import UserError


def run(order: Order, jobs: Iterator[Job], asking: Asking) -> Iterator[tuple[Job, str]]:
    """Have all jobs answered by `asking.workers` processes, each of which keeps the method loaded."""
    crew: list[Worker] = []
    try:
        waiting = next(jobs, None)
        while waiting is not None or crew:
            if waiting is not None and len(crew) < asking.workers:
                crew.append(Worker(order, asking.limit))
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
