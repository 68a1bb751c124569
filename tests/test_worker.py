"""The keeper of a worker process, against children that crash, hang, swell and lie: real processes, no Blender."""

import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from generation import models, working
from generation.executors import local
from generation.jobs import Job, Limits, Outcome, Plan
from generation.library import Entry
from generation.make import NoScene, Recipe
from generation.manifest import UnreadableAsset
from generation.worker import SUBSTITUTES, TRIES, TRIES_KILLED, Worker
from vdpm.errors import UserError

RECIPE = Recipe(seed=0, resolution=(64, 48), frames=3, samples=1)
CHILD = """
import json, os, signal, sys, time
for line in sys.stdin:
    job = json.loads(line)
    skipped = dict(job["skipped"])
    attempt = next(n for n in range(99) if n not in skipped)
    print(json.dumps({"attempt": attempt}), flush=True)
    with open(job["path"] + ".log", "a") as log:
        log.write(f"{attempt}\\n")
    tried = open(job["path"] + ".log").read().count("\\n")
    FAULT
    print(json.dumps({"made": {"refused": len(skipped), "substituted": skipped}}), flush=True)
"""


def made(tmp_path: Path, fault: str, **limits) -> tuple[Outcome, list[int]]:
    """What a worker with a fault makes of a clip, and the draws it tried, in order."""
    job = Job(family="kubric_f", index=0, recipe=RECIPE, path=tmp_path / "clip.tar")
    worker = Worker(Limits(**limits), (sys.executable, "-c", CHILD.replace("FAULT", fault)))
    try:
        outcome = worker.make(job)
    finally:
        worker.close()
    return outcome, [int(line) for line in (tmp_path / "clip.tar.log").read_text().split()]


def test_a_worker_without_fault_makes_the_first_draw(tmp_path):
    outcome, tried = made(tmp_path, "pass")
    assert tried == [0] and outcome.failure is None and not outcome.substituted


def test_a_crash_that_does_not_repeat_changes_nothing(tmp_path):
    outcome, tried = made(tmp_path, "if tried == 1: os.kill(os.getpid(), signal.SIGSEGV)")
    assert tried == [0, 0] and outcome.failure is None and not outcome.substituted


@pytest.mark.parametrize(
    ("fault", "reason", "limits"),
    [
        ("if attempt == 0: os.kill(os.getpid(), signal.SIGSEGV)", "ended with SIGSEGV", {}),
        ("if attempt == 0: sys.exit(7)", "ended with status 7", {}),
        ("if attempt == 0: time.sleep(60)", "took more than 2 s", {"timeout": 2}),
        ("if attempt == 0: keep = bytearray(400_000_000); time.sleep(60)", "took more than 200 MB", {"memory": 200}),
        (
            'if attempt == 0: print(json.dumps({"error": ["ValueError", "at 0x7f"]}), flush=True); continue',
            "raised ValueError",
            {},
        ),
    ],
)
def test_a_draw_that_cannot_be_made_is_tried_again_and_then_the_next_takes_its_place(tmp_path, fault, reason, limits):
    outcome, tried = made(tmp_path, fault, **limits)
    assert tried == [0] * TRIES + [1]
    assert outcome.failure is None and outcome.substituted == (reason,)


def test_kills_from_outside_are_held_against_the_scene_only_when_they_go_on(tmp_path):
    outcome, tried = made(tmp_path, "if attempt == 0: os.kill(os.getpid(), signal.SIGKILL)")
    assert tried == [0] * TRIES_KILLED + [1] and outcome.substituted == ("ended with SIGKILL",)


def test_a_clip_none_of_whose_draws_can_be_made_fails(tmp_path):
    outcome, tried = made(tmp_path, "sys.exit(1)")
    assert outcome.failure == "ended with status 1"
    assert tried == [n for n in range(SUBSTITUTES + 1) for _ in range(TRIES)]


def test_what_no_other_clip_would_survive_stops_the_run(tmp_path):
    with pytest.raises(UserError, match="no such device"):
        made(tmp_path, 'print(json.dumps({"stop": "no such device"}), flush=True); continue')


@pytest.mark.parametrize(("limits", "processes"), [({}, 1), ({"recycle_clips": 2}, 2), ({"recycle": 1}, 4)])
def test_a_worker_is_replaced_by_clips_and_by_memory(tmp_path, limits, processes):
    log = tmp_path / "pids"
    fault = f"open({str(log)!r}, 'a').write(f'{{os.getpid()}}\\n')"
    worker = Worker(Limits(**limits), (sys.executable, "-c", CHILD.replace("FAULT", fault)))
    for index in range(4):
        worker.make(Job(family="kubric_f", index=index, recipe=RECIPE, path=tmp_path / f"{index}.tar"))
    worker.close()
    assert len(set(log.read_text().split())) == processes
    assert not any(psutil.pid_exists(int(pid)) for pid in log.read_text().split())


def test_stopping_early_ends_every_worker(tmp_path, monkeypatch):
    """The caller of an executor who listens no longer leaves no process behind."""
    fault = "if job['index']: time.sleep(60)"
    monkeypatch.setattr(
        local, "Worker", lambda limits, outlive: Worker(limits, (sys.executable, "-c", CHILD.replace("FAULT", fault)))
    )
    jobs = [Job(family="f", index=index, recipe=RECIPE, path=tmp_path / f"{index}.tar") for index in range(3)]
    outcomes = local.run(jobs, Plan(workers=2, limits=Limits()))
    assert next(outcomes).job.index == 0
    children = psutil.Process().children()
    outcomes.close()
    assert children and not any(child.is_running() for child in children)


def test_the_child_ends_with_its_keeper(tmp_path):
    """However the keeper ended: its end of the pipe is closed by the system. The scratch folder goes too."""
    keeper = f"""
import json, os, subprocess, sys
os.environ["TMPDIR"] = {str(tmp_path / "scratch")!r}
os.mkdir(os.environ["TMPDIR"])
child = subprocess.Popen([sys.executable, "-m", "generation.working"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
"""
    import subprocess

    process = subprocess.Popen([sys.executable, "-c", keeper], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (UnreadableAsset("own/cup.glb"), {"error": ["UnreadableAsset", "own/cup.glb"]}),
        (UserError("no such device"), {"stop": "no such device"}),
        (OSError(28, "No space left on device", "f.png"), {"stop": "cannot write f.png: No space left on device"}),
        (OSError(5, "Input/output error"), {"error": ["OSError", "[Errno 5] Input/output error"]}),
        (FloatingPointError("the solver exploded"), {"error": ["FloatingPointError", "the solver exploded"]}),
        (NoScene("none will do"), {"made": {"failure": "none will do"}}),
    ],
)
def test_what_is_a_fault_of_the_draw_and_what_stops_the_run(tmp_path, monkeypatch, error, answer):
    """A draw at fault ("error") is tried again and then replaced by the next; see above."""

    def make_clip(*_):
        raise error

    monkeypatch.setattr(working, "make_clip", make_clip)
    task = {**asdict(Job(family="kubric_f", index=0, recipe=RECIPE, path=tmp_path / "clip.tar")), "skipped": []}
    with open(os.devnull, "wb") as answers:
        assert working._answer(task, answers) == answer
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_read_is_an_unreadable_asset(tmp_path, monkeypatch):
    monkeypatch.setenv("OPEN4D_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "cup.glb"
    file.write_bytes(b"glTF, but for the rest")
    with pytest.raises(UnreadableAsset, match=r"cup\.glb"):
        models.model(Entry(id="own/cup", licence="CC0-1.0", file=file, sha256="0" * 64))
