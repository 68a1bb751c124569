"""One worker process per core of this machine."""

import queue
import threading
from collections.abc import Generator
from functools import partial

from generation.jobs import Job, Outcome, Plan
from generation.worker import Worker


def run(jobs: list[Job], plan: Plan) -> Generator[Outcome, None, None]:
    """Make all clips. Workers that have nothing left to do end; all end when the caller stops listening."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    told: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()
    workers = [Worker(plan.limits, outlive=True) for _ in range(min(plan.workers, len(jobs)))]
    threads = [threading.Thread(target=partial(_keep, worker, waiting, told), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            outcome = told.get()
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
    finally:
        for worker in workers:
            worker.close()
        for thread in threads:
            thread.join()


def _keep(worker: Worker, waiting: queue.SimpleQueue[Job], told: queue.SimpleQueue[Outcome | Exception]) -> None:
    """Hand one job after the other to a worker."""
    while not worker.closed:
        try:
            told.put(worker.make(waiting.get_nowait()))
        except queue.Empty:
            worker.close()
        except Exception as error:  # the caller's to judge
            told.put(error)
            return
