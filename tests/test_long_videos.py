"""Windows of a long video in one world: formulas, the truth comes out exactly, drift against naive chaining."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from tests.room import HEIGHT, WIDTH, Room, bent, frames_of, oracle, room
from vdpm.errors import UserError
from vdpm.geometry import invert, transform
from vdpm.reconstruction import graph
from vdpm.reconstruction.cloud import tracks_at
from vdpm.reconstruction.footage import Footage
from vdpm.reconstruction.graph import Link, chain, link, solve, total
from vdpm.reconstruction.record import load
from vdpm.reconstruction.run import Run, reconstruct
from vdpm.reconstruction.similarity import Similarity, fit_robustly, fit_similarity, mean_rotation, turned
from vdpm.reconstruction.window import plan

ANY = Similarity(scale=1.7, rotation=turned(np.array([0.3, -0.4, 0.9])), translation=np.array([1.0, -2.0, 0.5]))


def footage(truth: Room) -> Footage:
    return Footage(name="room", rgb=truth.rgb, seconds=np.arange(len(truth.rgb)) / 10, original=(HEIGHT, WIDTH))


def centres(truth: Room) -> np.ndarray:
    return truth.world_from_camera[:, :3, 3]


def off_the_way(truth: Room, found: np.ndarray) -> float:
    """Root mean square of camera centres after the best similarity (ATE), metres."""
    best = fit_similarity(found, centres(truth), np.ones(len(found)))
    return float(np.sqrt(np.mean(np.square(best.points(found) - centres(truth)).sum(axis=1))))


def naive(truth: Room, answers: list, windows: tuple) -> np.ndarray:
    """Camera centres by aligning each window to the one before on all points of the frames they share, one after another."""
    world = Similarity(scale=1.0, rotation=np.eye(3), translation=np.zeros(3))
    found = answers[0].world_from_camera[:, :3, 3]
    for before, after in zip(range(len(windows)), range(1, len(windows)), strict=False):
        shared = sorted(set(windows[before]) & set(windows[after]))
        x, y = (
            np.concatenate([answers[k].points[windows[k].index(f)].reshape(-1, 3) for f in shared]).astype(float)
            for k in (before, after)
        )
        world = world.after(fit_similarity(y, x, np.ones(len(x))))
        new = [place for place, frame in enumerate(windows[after]) if frame >= len(found)]
        found = np.concatenate([found, world.points(answers[after].world_from_camera[new, :3, 3])])
    return found


def test_similarities_compose_and_invert():
    points = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(ANY.inverse().after(ANY).points(points), points, atol=1e-12)
    pose = np.eye(4)
    pose[:3, 3] = points[0]
    np.testing.assert_allclose(ANY.poses(pose)[:3, 3], ANY.points(points[0]))
    np.testing.assert_allclose(turned(np.array([0.0, 0.0, np.pi / 2])), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)


def test_alignment_is_exact_and_outliers_do_not_move_it():
    rng = np.random.default_rng(1)
    source = rng.normal(size=(200, 3))
    target = ANY.points(source)
    found = fit_similarity(source, target, rng.uniform(0.1, 1, 200))
    np.testing.assert_allclose(found.points(source), target, atol=1e-10)
    target[:60] += rng.normal(size=(60, 3)) * 5
    robust = fit_robustly(source, target, np.ones(200))
    assert (
        abs(robust.scale / ANY.scale - 1)
        < 1e-3
        < 0.02
        < abs(fit_similarity(source, target, np.ones(200)).scale / 1.7 - 1)
    )


def test_a_mean_rotation_lies_between():
    turns = turned(np.array([[0.0, 0.2, 0.0], [0.0, 0.6, 0.0]]))
    np.testing.assert_allclose(
        mean_rotation(turns, np.array([0.5, 0.5])), turned(np.array([0.0, 0.4, 0.0])), atol=1e-12
    )


@pytest.mark.parametrize(("frames", "size"), [(2, 2), (5, 8), (8, 8), (9, 8), (120, 16), (300, 24), (7, 2)])
def test_plans_hold_every_frame_overlap_and_are_no_larger(frames, size):
    planned = plan(frames, size)
    assert set().union(*planned.windows) == set(range(frames))
    assert all(len(window) == min(size, frames) for window in planned.windows)
    pairs = zip(planned.windows, planned.windows[1:], strict=False)
    assert all(set(one) & set(other) for one, other in pairs)
    if planned.skeleton:
        assert len(planned.skeleton) <= size and {0, frames - 1} <= set(planned.skeleton)


def test_the_derivatives_are_those_of_the_residual():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(9, 3)) + [0, 0, 5]
    pair = Link(first=0, second=1, x=x, y=ANY.inverse().points(x) + rng.normal(size=(9, 3)) * 0.1,
                distance=np.full(9, 5.0), weight=rng.uniform(0.5, 1, 9))  # fmt: skip
    worlds = [replace(ANY, scale=1.0, rotation=np.eye(3), translation=np.zeros(3)), ANY]
    _, gradient = graph._equations([pair], worlds)
    steps = np.eye(7) * 1e-6
    numeric = [(total([pair], graph._moved(worlds, h)) - total([pair], graph._moved(worlds, -h))) / 4e-6 for h in steps]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


def test_still_and_confident_points_are_taken():
    truth = room(6)
    answer = bent(np.random.default_rng(3), oracle(truth, truth.rgb))
    found = link(np.random.default_rng(0), (0, 1), (range(6), range(6)), (answer, answer))
    assert found is not None and len(found.x) >= 500
    ball = answer.points[truth.ball & (answer.motion > 0.5)]
    wild = answer.points[answer.confidence == 1.0]
    taken = {tuple(point) for point in found.x.astype(np.float32).tolist()}
    assert len(ball) > 20 and not taken & {tuple(point) for point in [*ball.tolist(), *wild.tolist()]}
    assert link(np.random.default_rng(0), (0, 1), ((0,), (1,)), (answer, answer)) is None


def test_the_oracle_comes_out_exactly(tmp_path):
    """Also in the file: points, depth, cameras, tracks of 40 frames in windows of 8, in the camera of the first frame."""
    truth = room(40, turn=2.0)
    run = Run(predict=lambda rgb: oracle(truth, rgb), method="oracle", folder=tmp_path, window=8)
    result = load(reconstruct(run, footage(truth), {"source": "room"}))
    first = invert(truth.world_from_camera[0])
    np.testing.assert_allclose(result.world_from_camera, first @ truth.world_from_camera, atol=1e-4)
    np.testing.assert_allclose(result.points, transform(first, truth.points), atol=1e-3)
    local = transform(invert(truth.world_from_camera)[:, None, None], truth.points)
    np.testing.assert_allclose(result.depth, local[..., 2], atol=1e-3)
    np.testing.assert_array_equal(result.rgb, truth.rgb)
    assert len(result.facts["windows"]) > 3 and result.frame_rate == pytest.approx(10)
    assert result.tracks.shape[1] == 8 and np.isfinite(result.tracks).all()
    u, v = result.track_pixel.astype(int).T
    np.testing.assert_allclose(result.tracks[:, 0], result.points[result.track_frame, v, u], atol=2e-3)
    lines = tracks_at(result, np.arange(3, 6))
    assert (
        len(lines) == (result.track_frame <= 5).sum()
        and np.isnan(lines[result.track_frame[: len(lines)] == 5][:, 0]).all()
    )
    np.testing.assert_array_equal(lines[0], result.tracks[0, 3:6])
    assert not (tmp_path / "windows").exists()


@pytest.mark.parametrize("seed", [0, 1])
def test_drift_is_a_fifth_of_naive_chaining_or_less(seed, tmp_path):
    """120 frames, windows of 16, answers bent as networks bend them."""
    truth = room(120)
    rng = np.random.default_rng(seed)
    kept = {}

    def predict(rgb):
        return kept.setdefault(tuple(frames_of(rgb)), bent(rng, oracle(truth, rgb)))

    run = Run(predict=predict, method="bent", folder=tmp_path, window=16)
    result = load(reconstruct(run, footage(truth), {}))
    windows = plan(120, 16).windows
    chained = naive(truth, [kept[window] for window in windows], windows)
    drift, naively = off_the_way(truth, result.world_from_camera[:, :3, 3]), off_the_way(truth, chained)
    assert drift < naively / 5 and drift < 0.1, (drift, naively)


def test_without_the_skeleton_and_without_robustness_it_is_worse():
    """What each part is for."""
    truth, rng = room(120), np.random.default_rng(0)
    planned = plan(120, 16)
    answers = [bent(rng, oracle(truth, truth.rgb[list(window)])) for window in planned.all]
    pairs = [(a, b) for b in range(len(answers)) for a in range(b)]
    found = [
        link(np.random.default_rng(0), (a, b), (planned.all[a], planned.all[b]), (answers[a], answers[b]))
        for a, b in pairs
    ]
    links = [each for each in found if each is not None]
    count = len(planned.windows)
    local = [each for each in links if each.second < count]

    def drift(worlds):
        parts = [worlds[k].points(answers[k].world_from_camera[:, :3, 3]) for k in range(count)]
        way = {frame: place for k in range(count) for frame, place in zip(planned.windows[k], parts[k], strict=True)}
        return off_the_way(truth, np.stack([way[frame] for frame in range(120)]))

    whole, chained = drift(solve(links, len(answers))[:count]), drift(chain(local, count))
    assert whole < 0.7 * chained < off_the_way(truth, naive(truth, answers, planned.windows))


def test_an_interrupted_run_goes_on(tmp_path):
    truth, asked = room(20, turn=1.0), []

    def breaks(rgb):
        asked.append(frames_of(rgb))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return oracle(truth, rgb)

    run = Run(predict=breaks, method="oracle", folder=tmp_path, window=8)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(run, footage(truth), {})
    reconstruct(run, footage(truth), {})
    assert asked[2] == asked[3] and len(asked) == len(plan(20, 8).all) + 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), RuntimeError("[enforce fail] "
                                   "DefaultCPUAllocator: can't allocate memory")])  # fmt: skip
def test_out_of_memory_means_smaller_windows(error, tmp_path, capsys):
    truth = room(20, turn=1.0)

    def predict(rgb):
        if len(rgb) > 5:
            raise error
        return oracle(truth, rgb)

    result = load(reconstruct(Run(predict=predict, method="m", folder=tmp_path, window=16), footage(truth), {}))
    assert max(map(len, result.facts["windows"])) == 4
    assert "windows of 16 frames, trying 8" in capsys.readouterr().err
    np.testing.assert_allclose(
        result.depth[0], transform(invert(truth.world_from_camera[0]), truth.points[0])[..., 2], atol=1e-3
    )


def test_out_of_memory_with_two_frames_is_an_error_and_other_errors_are_not_hidden(tmp_path):
    truth = room(4, turn=0.2)

    def starve(rgb):
        raise MemoryError

    def wrong(rgb):
        raise RuntimeError("something else")

    with pytest.raises(UserError, match="out of memory with windows of 2"):
        reconstruct(Run(predict=starve, method="m", folder=tmp_path, window=4), footage(truth), {})
    with pytest.raises(RuntimeError, match="something else"):
        reconstruct(Run(predict=wrong, method="m", folder=tmp_path, window=4), footage(truth), {})


def test_not_enough_disk_is_said_before_any_work(tmp_path, monkeypatch):
    truth = room(4, turn=0.2)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    run = Run(predict=lambda rgb: pytest.fail("worked"), method="m", folder=tmp_path, window=4)
    with pytest.raises(UserError, match="not enough disk"):
        reconstruct(run, footage(truth), {})


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(tmp_path):
    """Peak of what is allocated, files that are mapped apart, at 40 and at 300 frames of 128 x 96; points alone are 44 MB."""
    peaks = []
    for frames in (40, 300):
        truth = room(frames)

        def predict(rgb, truth=truth):
            small = oracle(truth, rgb[:, :HEIGHT, :WIDTH])
            large = {name: np.repeat(np.repeat(getattr(small, name), 6, axis=1), 6, axis=2)[:, :96, :128]
                     for name in ("points", "confidence", "motion")}  # fmt: skip
            return replace(small, **large)

        rgb = np.memmap(tmp_path / f"{frames}.raw", np.uint8, "w+", shape=(frames, 96, 128, 3))
        rgb[:, :HEIGHT, :WIDTH] = truth.rgb
        film = Footage(name="room", rgb=rgb, seconds=np.arange(frames) / 10, original=(96, 128))
        tracemalloc.start()
        load(reconstruct(Run(predict=predict, method="m", folder=tmp_path / str(frames), window=16), film, {}))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 6e6, peaks
