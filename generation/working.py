"""The child of a worker (`generation.worker`): a process that makes clips until its keeper is gone.

    python -m generation.working

Jobs come in and answers go out as lines of JSON. A child whose keeper is killed in the middle of a clip finishes it, puts it
where it belongs, and ends. Whoever is given the same clip meanwhile waits for it: the clip is claimed by a lock.
"""

import errno
import fcntl
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil

from generation.make import NoScene, Recipe, make_clip
from generation.manifest import UnreadableAsset
from generation.worker import send
from vdpm.errors import UserError
from vdpm.storage import encode, read_members, write_shard

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write fails with when nothing can be written any more: no fault of the scene."""
WATCH_SECONDS = 1.0


class Keeper(threading.Thread):
    """Hears the keeper. When it is gone the clip in work may be finished, within its limits; then the process ends."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.jobs: queue.Queue[dict[str, Any]] = queue.Queue()
        self.limits: dict[str, float] | None = None
        """Of the clip in work, if it may outlive the keeper."""

    def run(self) -> None:
        for line in sys.stdin.buffer:
            job = json.loads(line)
            self.limits = job["outlive"]
            self.jobs.put(job)
        began = time.monotonic()
        while (limits := self.limits) and _within(limits, time.monotonic() - began):
            time.sleep(WATCH_SECONDS)
        shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
        os._exit(1)


def _within(limits: dict[str, float], seconds: float) -> bool:
    return seconds < limits["timeout"] and psutil.Process().memory_info().rss / 1e6 < limits["memory"]


def main() -> None:
    """The child: make what comes in, until the keeper is gone, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the keeper's to handle
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Blender and Kubric write to standard output as they like
    keeper = Keeper()
    keeper.start()
    while True:
        answer = _answer(keeper.jobs.get(), answers)
        keeper.limits = None
        _tell(answers, answer)


def _tell(answers: IO[bytes], value: dict[str, Any]) -> None:
    """Write an answer; a keeper who is gone hears none."""
    with suppress(BrokenPipeError):
        send(answers, value)


def _answer(task: dict[str, Any], answers: IO[bytes]) -> dict[str, Any]:
    path = Path(task["path"])
    try:
        with claimed(path) as claim:
            if path.exists():  # by a child that outlived its keeper
                return {"made": _made(path)}
            claim.write(str(os.getpid()).encode())
            return {"made": _make(task, path, answers)}
    except UnreadableAsset as error:  # of this draw; the next may do without
        return {"error": ["UnreadableAsset", str(error)]}
    except UserError as error:
        return {"stop": str(error)}
    except ImportError as error:
        return {"stop": f"{error}; pip install '.[generation]'"}
    except OSError as error:
        if error.errno not in NO_ROOM:
            return {"error": [type(error).__name__, str(error)]}
        return {"stop": f"cannot write {error.filename or tempfile.gettempdir()}: {os.strerror(error.errno)}"}
    except NoScene as error:
        return {"made": {"failure": str(error)}}
    except Exception as error:  # whatever a simulator, a renderer or an asset may raise
        return {"error": [type(error).__name__, str(error)]}


def _make(task: dict[str, Any], path: Path, answers: IO[bytes]) -> dict[str, Any]:
    recipe = Recipe(**{**task["recipe"], "resolution": tuple(task["recipe"]["resolution"])})
    skipped = {int(attempt): reason for attempt, reason in task["skipped"]}
    clip = make_clip(
        task["family"], task["index"], recipe, skipped, lambda attempt: _tell(answers, {"attempt": attempt})
    )
    write_shard(path, [(clip.name, encode(clip))])
    return _facts(clip.meta)


def _made(path: Path) -> dict[str, Any]:
    """What there is to say of a clip that is there."""
    (_, members), *_ = read_members(path)
    return _facts(json.loads(members["meta.json"]))


def _facts(meta: dict[str, Any]) -> dict[str, Any]:
    return {"refused": len(meta["refused"]), "substituted": meta["substituted"]}


@contextmanager
def claimed(path: Path) -> Iterator[IO[bytes]]:
    """A file to write one's name into. Nobody else on this machine makes the clip that belongs at `path` meanwhile; waits
    for whoever does. The lock is the system's, so that it ends with its holder, however that ends.
    """
    while True:
        with _lock_file(path) as lock:
            _wait(lock)
            if not _is(lock, claim_path(path)):  # removed by the holder that this one waited for
                continue
            lock.truncate(0)
            try:
                yield lock
            finally:
                claim_path(path).unlink(missing_ok=True)
            return


def _wait(lock: IO[bytes]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:  # a file system without locks: then two may make the same bytes
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


def _is(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def claim_path(path: Path) -> Path:
    """The file by which a clip is claimed; it holds the process id of who makes it."""
    return path.with_name(f"{path.name}.claim")


def _lock_file(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return claim_path(path).open("ab", buffering=0)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another folder") from error


if __name__ == "__main__":
    main()
