"""The process of a method: started by `benchmark.asking`, ended by it, and of no use by hand."""

import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from benchmark.asking import Job, Order, Reply, connection_of
from benchmark.cost import count_flops, device, gpu_peak, parameters, ram_peak, reset_peaks
from benchmark.foreign import Ticket, answerer
from benchmark.predictions import Answers, Cost, check, write_answers
from benchmark.registry import start
from benchmark.tasks import show, truth_of
from vdpm.clip import Prediction, Truth, Video
from vdpm.errors import UserError

Answer = Callable[[Video, Truth | None, Ticket], Prediction]


def opened(order: Order) -> Answer:
    """The method, ready to answer."""
    if order.method.foreign is not None:
        ask = answerer(order.method.foreign)
        return lambda video, truth, ticket: ask(video, ticket)
    answer = start(order.method)
    return lambda video, truth, ticket: answer(video, truth)


def work(job: Job, answer: Answer, order: Order, load_seconds: float) -> Answers:
    """The answers to all tasks of a job."""
    predictions, seconds, flops, frames = [], 0.0, None, 0
    reset_peaks()
    for number, task in enumerate(job.tasks):
        video = show(job.scene, task)
        truth = truth_of(job.scene, task, with_seen=can_cast()) if order.method.reference else None
        ask = partial(answer, video, truth, Ticket.of(job.header, job.suite, number))
        began = time.perf_counter()
        prediction = ask()
        seconds += time.perf_counter() - began
        frames += len(video.rgb)
        check(prediction, video)
        predictions.append(prediction)
        if order.flops and number == 0:
            flops = count_flops(ask)
    cost = Cost(
        load_seconds=load_seconds,
        seconds=seconds,
        frames=frames,
        ram_bytes=ram_peak(),
        gpu_bytes=gpu_peak(),
        parameters=parameters(),
        flops=flops,
        device=device(),
    )
    return Answers(predictions=tuple(predictions), seconds=seconds, cost=cost)


def can_cast() -> bool:
    """Whether visibility can be computed for references."""
    return find_spec("embreex") is not None


def answered(job: Job, answer: Answer, order: Order, load_seconds: float) -> Reply:
    """Do a job; whatever a method does to itself must not cost the other clips."""
    try:
        answers = work(job, answer, order, load_seconds)
    except KeyboardInterrupt:
        return Reply(interrupted=True)
    except UserError as error:
        return Reply(failure=f"prediction refused: {error}")
    except Exception as error:
        traceback.print_exc()
        return Reply(failure=f"method failed: {type(error).__name__}: {error}".partition("\n")[0])
    try:
        write_answers(job.path, job.header, answers)
    except UserError as error:
        return Reply(refused=str(error))
    return Reply()


def main(descriptor: int) -> None:
    """Serve until the other side hangs up."""
    connection = connection_of(descriptor)
    try:
        order: Order = connection.recv()
        began = time.perf_counter()
        try:
            answer = opened(order)
        except UserError as error:
            connection.send(Reply(refused=str(error)))
            return
        load_seconds = time.perf_counter() - began
        connection.send(Reply())
        while True:
            connection.send(answered(connection.recv(), answer, order, load_seconds))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        os._exit(0)  # nobody listens: threads and destructors of a method have nothing to say


if __name__ == "__main__":
    main(int(sys.argv[1]))
