"""The two halves of a benchmark run with a file between them: `ensure_answers` asks the method, `score` reads the file.

Scoring needs the clip and the file, never the method: it reruns in seconds.
"""

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from benchmark.metrics import METRICS
from benchmark.predictions import Answers, Header, check, read_answers, write_answers
from benchmark.protocols import Protocol, Task
from benchmark.registry import Method, start
from benchmark.rows import Row, commit
from benchmark.score import Metric, Score
from benchmark.suites import Suite, read_suite
from vdpm.clip import Clip, Prediction, Truth, Video
from vdpm.derive import Hits, hits
from vdpm.derive import truth as derive_truth
from vdpm.errors import UserError

Answer = Callable[[Video, Truth | None], Prediction]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One clip under one protocol for one method: the unit of work, and of files."""

    suite: Suite
    method: Method
    protocol: Protocol
    clip: Clip
    fingerprint: str
    path: Path
    """Where the answers lie."""
    look: Callable[[int], Hits]
    """What the pixels of a frame see, remembered for all tasks of the clip."""

    @property
    def tasks(self) -> list[Task]:
        return self.protocol.tasks(len(self.clip.rgb))

    @property
    def header(self) -> Header:
        return Header(
            method=self.method.name,
            method_version=self.method.version,
            protocol=self.protocol.question.name,
            protocol_version=self.protocol.question.version,
            clip=self.clip.name,
            fingerprint=self.fingerprint,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The rows of a case, and why the method failed on it if it did."""

    rows: list[Row]
    failure: str


def evaluate(method: Method, suite: Suite, protocols: list[Protocol], out: Path, overwrite: bool) -> Iterator[Outcome]:
    """Predict what has no file yet and score everything from files, clip by clip.

    A method that raises or answers nonsense gets blanks with the reason, and the next case goes on. Raises `UserError`
    for what only the user can decide: stale or damaged files, a disk that refuses.
    """
    loaded = cache(lambda: start(method))  # a method whose answers all lie in files is never imported
    total = len(suite.clips) * len(protocols)
    with tqdm(total=total, desc=f"{method.name} on {suite.name}", unit="case", disable=None) as progress:
        for clip, fingerprint in read_suite(suite):
            look = cache(partial(hits, clip))
            asked: dict[Path, str] = {}  # protocols that share answers ask once
            for protocol in protocols:
                path = out / protocol.question.name / f"{clip.name}.npz"
                case = Case(
                    suite=suite,
                    method=method,
                    protocol=protocol,
                    clip=clip,
                    fingerprint=fingerprint,
                    path=path,
                    look=look,
                )
                if path not in asked:
                    asked[path] = ensure_answers(case, loaded, overwrite)
                failure = asked[path]
                yield Outcome(rows=_blanks(case, failure) if failure else score_case(case), failure=failure)
                progress.update()


def ensure_answers(case: Case, loaded: Callable[[], Answer], overwrite: bool) -> str:
    """Make sure that the answers of a case lie in its file. Returns why the method has none, "" when all is well."""
    if not case.tasks or (case.path.exists() and not overwrite):
        return ""
    answer = loaded()
    predictions, seconds = [], 0.0
    for task in case.tasks:
        video, truth = show(case.clip, task), truth_of(case.clip, task, case.look) if case.method.reference else None
        began = time.perf_counter()
        try:
            prediction = answer(video, truth)
            check(prediction, video)
        except UserError as error:
            return f"prediction refused: {error}"
        except Exception as error:  # whatever a method does to itself must not cost the other clips
            traceback.print_exc()
            return f"method failed: {type(error).__name__}: {error}".partition("\n")[0]
        seconds += time.perf_counter() - began
        predictions.append(prediction)
    write_answers(case.path, case.header, Answers(predictions=tuple(predictions), seconds=seconds))
    return ""


def show(clip: Clip, task: Task) -> Video:
    """What a method sees of a task."""
    return Video(rgb=clip.rgb[list(task.frames)], sources=task.sources)


def truth_of(clip: Clip, task: Task, look: Callable[[int], Hits] | None = None, *, with_depth: bool = True) -> Truth:
    """The answers to a task; without depth where no metric looks at it."""
    return derive_truth(clip, task.frames, task.sources, look=look, with_depth=with_depth)


def score_case(case: Case) -> list[Row]:
    """The rows of a case from its file; blanks when the clip is too short for the protocol."""
    if not case.tasks:
        length, needed = len(case.clip.rgb), case.protocol.frames_needed
        return _blanks(case, f"the clip has {length} frames, {case.protocol.name} needs {needed}")
    answers = read_answers(case.path, case.header, [show(case.clip, task) for task in case.tasks])
    metrics = [METRICS[name] for name in case.protocol.metrics]
    scores = score(case.clip, case.tasks, answers.predictions, metrics, case.look, case.protocol.mean)
    return [_row(case, metric, score, answers.seconds) for metric, score in zip(metrics, scores, strict=True)]


def score(
    clip: Clip,
    tasks: list[Task],
    predictions: tuple[Prediction, ...],
    metrics: list[Metric],
    look: Callable[[int], Hits] | None = None,
    mean: Literal["sample", "pixel"] = "sample",
) -> list[Score]:
    """One score a metric: the mean over the tasks that have a value."""
    with_depth = any(metric.needs == "depth" for metric in metrics)
    per_task: list[list[Score]] = []
    for task, prediction in zip(tasks, predictions, strict=True):
        truth = truth_of(clip, task, look, with_depth=with_depth)
        per_task.append([measure(metric, truth, prediction) for metric in metrics])
    return [_mean(scores, mean) for scores in zip(*per_task, strict=True)]


def measure(metric: Metric, truth: Truth, prediction: Prediction) -> Score:
    """One metric on one task; a blank when the method does not claim what it needs."""
    if getattr(prediction, metric.needs) is None:
        return Score(value=None, note=f"{metric.needs} not claimed")
    return metric.function(truth, prediction)


def _mean(scores: tuple[Score, ...], mean: Literal["sample", "pixel"]) -> Score:
    valued = [(score.value, score.count) for score in scores if score.value is not None]
    notes = "; ".join(dict.fromkeys(score.note for score in scores if score.note))
    if not valued:
        return Score(value=None, note=notes)
    values, counts = zip(*valued, strict=True)
    value = np.average(values, weights=counts) if mean == "pixel" else np.mean(values)
    return Score(value=float(value), count=sum(counts), note=notes)


def _blanks(case: Case, reason: str) -> list[Row]:
    return [_row(case, METRICS[name], Score(value=None, note=reason), None) for name in case.protocol.metrics]


def _row(case: Case, metric: Metric, score: Score, seconds: float | None) -> Row:
    return Row(
        suite=case.suite.name,
        suite_version=case.suite.version,
        protocol=case.protocol.name,
        protocol_version=case.protocol.version,
        clip=case.clip.name,
        family=str(case.clip.meta.get("family", case.clip.name.partition("-")[0])),
        method=case.method.name,
        method_version=case.method.version,
        reference=case.method.reference,
        metric=metric.name,
        value=score.value,
        note=score.note,
        unit=metric.unit,
        better=metric.better,
        count=score.count,
        seconds=seconds,
        commit=commit(),
        date=datetime.now(UTC).date().isoformat(),
    )
