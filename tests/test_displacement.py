"""The displacement error: of known answers, as a mean over clips, and pooled over them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import compare
from benchmark.evaluators.resampling import ROUNDS, bootstrap
from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.rows import Row, read_rows, write_rows
from benchmark.scoring import measure, score, truth_of
from benchmark.table import summarise
from leaderboards.answering import answers
from leaderboards.board import Scores, boards
from leaderboards.sureness import interval, paired
from tests.test_leaderboard import ROW
from tests.tiny import tiny_clip, truth_like
from vdpm.clip import Prediction, Truth

MEAN, POOLED = "displacement_error", "displacement_error_pooled"


def displacement(truth: Truth, points: np.ndarray) -> float | None:
    return measure(METRICS["displacement_error"], truth, Prediction(points=points.astype(np.float32))).value


def test_displacement_error_of_known_answers():
    # One source, two times, a pixel that moves by (0, 0, 2) beside one at rest; norms are 1, 3 and 2 twice: mean 2.
    true = np.zeros((1, 2, 1, 2, 3), np.float32)
    true[0, :, 0, 0, 2], true[0, :, 0, 1, 2] = [1.0, 3.0], 2.0
    truth = truth_like(points=true)
    assert displacement(truth, true) == 0.0
    assert displacement(truth, 7.0 * true) == pytest.approx(0.0, abs=1e-6)
    assert displacement(truth, np.repeat(true[:, :1], 2, axis=1)) == 1.0
    half = true.copy()
    half[0, :, 0, 0, 2] = [1.5, 2.5]  # half of the way, and the mean norm is still 2
    assert displacement(truth, half) == pytest.approx(0.5)
    aside = true.copy()
    aside[0, :, 0, 1, 2] += 4.0  # a wrong shape at rest enters by the norm alone: 4 instead of 2
    assert displacement(truth, aside) == pytest.approx(0.5)
    assert displacement(truth_like(points=np.ones_like(true)), true) is None


def test_displacement_error_leaves_out_each_frames_own_time():
    true = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 3)).astype(np.float32)
    answer = true + np.random.default_rng(1).normal(size=true.shape).astype(np.float32)
    norm, unit = (np.linalg.norm(points, axis=-1).mean(dtype=float) for points in (answer, true))
    step = np.stack([answer[0, 1] - answer[0, 0], answer[1, 0] - answer[1, 1]]) / norm
    true_step = np.stack([true[0, 1] - true[0, 0], true[1, 0] - true[1, 1]]) / unit
    expected = np.linalg.norm(step - true_step, axis=-1).sum() / np.linalg.norm(true_step, axis=-1).sum()
    assert displacement(truth_like(points=true), answer) == pytest.approx(expected, rel=1e-6)


def claims(seed: int, tasks: Sequence[Truth]) -> tuple[Prediction, ...]:
    """Points that are off by as much as they are far."""
    rng = np.random.default_rng(seed)
    return tuple(
        Prediction(
            points=(np.nan_to_num(truth.points, nan=1.0) * rng.uniform(0.8, 1.2, (2, 2, 1, 1, 3))).astype(np.float32)
        )
        for truth in tasks
    )


def sums(truth: Truth, answer: Prediction) -> tuple[float, float]:
    """Both sums of the displacement error, written down once more, pixel by pixel."""
    assert answer.points is not None
    known = np.isfinite(truth.points).all(axis=-1)
    unit, norm = (
        np.linalg.norm(points[known].astype(float), axis=-1).mean() for points in (truth.points, answer.points)
    )
    error = length = 0.0
    for own, row, column in zip(*np.nonzero(known.all(axis=1)), strict=True):
        true, told = truth.points[own, :, row, column].astype(float), answer.points[own, :, row, column].astype(float)
        if np.linalg.norm(true[1] - true[0]) > 0.01:
            step, true_step = (told[1 - own] - told[own]) / norm, (true[1 - own] - true[own]) / unit
            error, length = error + np.linalg.norm(step - true_step), length + np.linalg.norm(true_step)
    return float(error), float(length)


def test_the_tasks_of_a_clip_are_pooled_or_averaged():
    clip, protocol = tiny_clip(), replace(PROTOCOLS["vdpm_pair2"], tasks_per_clip=3)
    tasks = protocol.tasks(len(clip.rgb))
    truths = [truth_of(clip, task) for task in tasks]
    told = claims(0, truths)
    parts = np.array([sums(truth, answer) for truth, answer in zip(truths, told, strict=True)])
    mean, pooled = score(clip, tasks, told, [METRICS[MEAN], METRICS[POOLED]])
    assert len(tasks) == 3 and mean.value == pytest.approx((parts[:, 0] / parts[:, 1]).mean(), rel=1e-5)
    assert pooled.value == pytest.approx(parts[:, 0].sum() / parts[:, 1].sum(), rel=1e-5)
    assert mean.weight is None and pooled.weight == pytest.approx(parts[:, 1].sum(), rel=1e-5)
    assert pooled.count == mean.count


def pooled_rows(method: str, errors: Iterable[float], lengths: Iterable[float]) -> list[Row]:
    """A clip for each pair of sums, under both readings."""
    base = replace(ROW, protocol="vdpm_track10", method=method)
    return [
        replace(base, clip=f"{place:02d}", metric=metric, value=error / length, weight=length if metric == POOLED else None)
        for metric in (MEAN, POOLED) for place, (error, length) in enumerate(zip(errors, lengths, strict=True))
    ]  # fmt: skip


def test_a_clip_in_which_hardly_anything_moves_does_not_decide():
    rows = pooled_rows("plane", [50.0, 60.0, 0.78], [100.0, 100.0, 0.01])
    found = {mean.metric: mean.mean for mean in summarise(rows)}
    assert found[MEAN] == pytest.approx((0.5 + 0.6 + 78) / 3) and found[POOLED] == pytest.approx(110.78 / 200.01)
    board = boards(rows)[0]
    means = {
        column.metrics[0]: board.mean(board.lines[0], column) for column in board.columns if column.group != "Cost"
    }
    assert means == pytest.approx(found) and board.headline and board.headline.metrics == (POOLED,)
    titles = {column.title for column in board.columns}
    assert {"Displacement error, mean over clips", "Displacement error, pooled over clips"} <= titles
    told = answers(board, Scores.of(rows))[0].long
    assert "pooled over clips" in told and "0.554" in told and "26.4" in told


def test_the_bootstrap_draws_both_sums_together():
    rng = np.random.default_rng(4)
    errors, lengths = rng.uniform(1, 2, 9), rng.uniform(0.1, 9, 9)
    drawn = np.random.default_rng(0).integers(9, size=(ROUNDS, 9))
    expected = np.quantile(errors[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), [0.025, 0.975])
    ours = bootstrap(errors / lengths, np.random.default_rng(0), weights=lengths)
    page = interval(errors / lengths, lengths)
    for found in (ours, page):
        assert [found.mean, found.low, found.high] == pytest.approx(
            [errors.sum() / lengths.sum(), *expected], rel=1e-12
        )


def test_two_methods_are_compared_by_their_pooled_sums(tmp_path: Path):
    """Every way to swap them clip by clip, by brute force."""
    rng = np.random.default_rng(5)
    lengths = rng.uniform(0.1, 9, 6)
    one, two = rng.uniform(0.5, 1.0, (2, 6)) * lengths
    signs = np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1).T
    differences = (signs * (two - one)).sum(axis=1) / lengths.sum()
    observed = two.sum() / lengths.sum() - one.sum() / lengths.sum()
    expected = np.mean(np.abs(differences) >= abs(observed) - 1e-12)
    pair = paired(one / lengths, two / lengths, lengths)
    assert pair and pair.p_value == expected and pair.difference.mean == pytest.approx(observed)
    first, second = (pooled_rows(name, sums, lengths) for name, sums in (("one", one), ("two", two)))
    found = {each.metric: each for each in compare.pairings(first, second, np.random.default_rng(0))}
    assert found[POOLED].comparison.difference.mean == pytest.approx(observed)
    assert found[POOLED].comparison.p_value == pytest.approx(expected, abs=0.02)
    assert found[POOLED].first.mean == pytest.approx(one.sum() / lengths.sum())


def test_only_what_is_pooled_carries_a_weight_and_older_rows_are_read(tmp_path: Path):
    rows = pooled_rows("plane", [1.0], [2.0])
    write_rows(tmp_path / "rows.jsonl", rows)
    assert ["weight" in line for line in (tmp_path / "rows.jsonl").read_text().splitlines()] == [False, True]
    assert read_rows(tmp_path / "rows.jsonl") == rows
