"""The two halves of a benchmark run with files between them: methods answer into files, `score_case` reads these.

Scoring needs the clip and the file, never the method: it reruns in seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from benchmark.asking import Asking, Job, Order, find_executor
from benchmark.metrics import METRICS
from benchmark.predictions import Answers, Header, read_answers
from benchmark.protocols import Protocol
from benchmark.registry import Method
from benchmark.rows import Row, commit
from benchmark.score import Metric, Score
from benchmark.suites import Suite, read_suite
from benchmark.tasks import Scene, Task, family, file_name, known, show, truth_of
from benchmark.weights import identity
from vdpm.clip import Clip, Prediction, Truth
from vdpm.derive import Hits, hits

Look = Callable[[int], Hits]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One clip under one protocol for one method: the unit of scoring."""

    suite: Suite
    method: Method
    protocol: Protocol
    scene: Scene
    fingerprint: str
    weights: str
    out: Path
    look: Look | None
    """What the pixels of a frame see, remembered for all tasks of a clip."""

    @property
    def path(self) -> Path:
        """Where the answers lie."""
        return answers_path(self.out, self.protocol, file_name(self.scene))

    @property
    def tasks(self) -> list[Task]:
        return self.protocol.tasks(len(self.scene.rgb))

    @property
    def header(self) -> Header:
        return Header(
            method=self.method.name,
            method_version=self.method.version,
            protocol=self.protocol.question.name,
            protocol_version=self.protocol.question.version,
            clip=self.scene.name,
            fingerprint=self.fingerprint,
            weights=self.weights,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The rows of a case, and why the method failed on it if it did."""

    rows: list[Row]
    failure: str


def answers_path(out: Path, protocol: Protocol, clip: str) -> Path:
    """The file of the answers to a clip."""
    return out / protocol.question.name / f"{clip}.npz"


def evaluate(
    method: Method, suite: Suite, protocols: list[Protocol], out: Path, asking: Asking | None = None
) -> Iterator[Outcome]:
    """Ask for what has no file yet, then score everything from files, clip by clip.

    A method that raises, dies, takes too long or answers nonsense gets blanks with the reason, and the rest goes on. Raises
    `UserError` for what only the user can decide: stale or damaged files, missing weights, a disk that refuses.
    """
    asking = asking or Asking()
    failures = ensure_answers(method, suite, protocols, out, asking)
    weights = identity(method)
    total = len(suite.clips) * len(protocols)
    with tqdm(total=total, desc=f"scoring {method.name}", unit="case", disable=asking.quiet or None) as progress:
        for scene, fingerprint in read_suite(suite):
            look = cache(partial(hits, scene)) if isinstance(scene, Clip) else None
            for protocol in protocols:
                case = Case(
                    suite=suite,
                    method=method,
                    protocol=protocol,
                    scene=scene,
                    fingerprint=fingerprint,
                    weights=weights,
                    out=out,
                    look=look,
                )
                failure = failures.get(case.path, "")
                yield Outcome(rows=_blanks(case, failure) if failure else score_case(case), failure=failure)
                progress.update()


def ensure_answers(
    method: Method, suite: Suite, protocols: list[Protocol], out: Path, asking: Asking
) -> dict[Path, str]:
    """Make sure that all answers lie in files. Returns why there is none where there is none.

    A method whose answers are all there is never started.
    """
    questions = list({protocol.question.name: protocol.question for protocol in protocols}.values())
    again = asking.overwrite or bool(method.foreign and method.foreign.predictions)  # that folder may have changed
    jobs = _jobs(method, suite, questions, out, again)
    if not again and all(
        answers_path(out, q, clip.replace("/", "--")).exists() for q in questions for clip in suite.clips
    ):
        return {}
    failures = {}
    order = Order(method=method, flops=asking.flops)
    total = len(suite.clips) * len(questions)
    with tqdm(
        total=total, desc=f"{method.name} on {suite.name}", unit="answer", disable=asking.quiet or None
    ) as progress:
        for job, failure in find_executor(asking.executor)(order, jobs, asking):
            progress.update()
            if failure:
                failures[job.path] = failure
                job.path.unlink(missing_ok=True)
    return failures


def _jobs(method: Method, suite: Suite, questions: list[Protocol], out: Path, again: bool) -> Iterator[Job]:
    """What has to be asked, clip by clip; a clip too short for a question is not asked it."""
    weights = identity(method)
    for scene, fingerprint in read_suite(suite):
        for question in questions:
            case = Case(
                suite=suite,
                method=method,
                protocol=question,
                scene=scene,
                fingerprint=fingerprint,
                weights=weights,
                out=out,
                look=None,
            )
            if case.tasks and (again or not case.path.exists()):
                yield Job(scene=scene, tasks=case.tasks, header=case.header, suite=suite.name, path=case.path)


def score_case(case: Case) -> list[Row]:
    """The rows of a case from its file; blanks when the clip is too short for the protocol."""
    if not case.tasks:
        length, needed = len(case.scene.rgb), case.protocol.frames_needed
        return _blanks(case, f"the clip has {length} frames, {case.protocol.name} needs {needed}")
    answers = read_answers(case.path, case.header, [show(case.scene, task) for task in case.tasks])
    metrics = [METRICS[name] for name in case.protocol.metrics]
    scores = _scores(case, answers, metrics)
    return [_row(case, metric, score, answers.seconds) for metric, score in zip(metrics, scores, strict=True)]


def _scores(case: Case, answers: Answers, metrics: list[Metric]) -> list[Score]:
    if case.protocol.name == "cost":
        return [metric.function(answers.cost) for metric in metrics]
    return score(case.scene, case.tasks, answers.predictions, metrics, case.look, case.protocol.mean)


def score(
    scene: Scene,
    tasks: list[Task],
    predictions: tuple[Prediction, ...],
    metrics: list[Metric],
    look: Look | None = None,
    mean: Literal["sample", "pixel"] = "sample",
) -> list[Score]:
    """One score a metric: the mean over the tasks that have a value."""
    with_depth = any(metric.needs == "depth" for metric in metrics)
    with_seen = any(metric.seen for metric in metrics)
    there = known(scene) | {"visible"}
    per_task: list[list[Score]] = []
    for task, prediction in zip(tasks, predictions, strict=True):
        truth = truth_of(scene, task, look, with_depth=with_depth, with_seen=with_seen)
        per_task.append(
            [
                measure(metric, truth, prediction)
                if metric.needs in there
                else Score(value=None, note=f"the data set does not know {metric.needs}")
                for metric in metrics
            ]
        )
    return [_mean(metric, scores, mean) for metric, scores in zip(metrics, zip(*per_task, strict=True), strict=True)]


def measure(metric: Metric, truth: Truth, prediction: Prediction) -> Score:
    """One metric on one task; a blank when the method does not claim what it needs."""
    if getattr(prediction, metric.needs, None) is None:
        return Score(value=None, note=prediction.note or f"{metric.needs} not claimed")
    if metric.seen and truth.seen is None:
        return Score(value=None, note="the data set does not know what is hidden")
    return metric.function(truth, prediction)


def _mean(metric: Metric, scores: tuple[Score, ...], mean: Literal["sample", "pixel"]) -> Score:
    valued = [(score.value, score.count, score.weight or 0.0) for score in scores if score.value is not None]
    notes = "; ".join(dict.fromkeys(score.note for score in scores if score.note))
    if not valued:
        return Score(value=None, note=notes)
    values, counts, weights = zip(*valued, strict=True)
    if metric.pooled:
        value, weight = np.average(values, weights=weights), sum(weights)
    else:
        value, weight = np.average(values, weights=counts) if mean == "pixel" else np.mean(values), None
    return Score(value=float(value), count=sum(counts), note=notes, weight=weight)


def _blanks(case: Case, reason: str) -> list[Row]:
    return [_row(case, METRICS[name], Score(value=None, note=reason), None) for name in case.protocol.metrics]


def _row(case: Case, metric: Metric, score: Score, seconds: float | None) -> Row:
    return Row(
        suite=case.suite.name,
        suite_version=case.suite.version,
        protocol=case.protocol.name,
        protocol_version=case.protocol.version,
        clip=case.scene.name,
        family=family(case.scene),
        method=case.method.name,
        method_version=case.method.version,
        reference=case.method.reference,
        metric=metric.name,
        value=score.value,
        note=score.note,
        unit=metric.unit,
        better=metric.better,
        count=score.count,
        weight=score.weight,
        seconds=seconds,
        commit=commit(),
        date=datetime.now(UTC).date().isoformat(),
    )
