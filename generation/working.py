"""The child of a worker (`generation.worker`): a process that makes clips until its keeper is gone.

    python -m generation.working

Jobs come in and answers go out as lines of JSON.
"""

import errno
import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from generation.make import NoScene, Recipe, make_clip
from generation.worker import send
from vdpm.errors import UserError
from vdpm.storage import encode, write_shard

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write fails with when nothing can be written any more: no fault of the scene."""


def main() -> None:
    """The child: make what comes in, until the keeper is gone, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the keeper's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Blender and Kubric write to standard output as they like
    jobs: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=[jobs], daemon=True).start()
    while True:
        send(answers, _answer(json.loads(jobs.get()), answers))


def _listen(jobs: queue.Queue[bytes]) -> None:
    for line in sys.stdin.buffer:
        jobs.put(line)
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os._exit(1)


def _answer(task: dict[str, Any], answers: IO[bytes]) -> dict[str, Any]:
    recipe = Recipe(**{**task["recipe"], "resolution": tuple(task["recipe"]["resolution"])})
    skipped = {int(attempt): reason for attempt, reason in task["skipped"]}
    try:
        clip = make_clip(
            task["family"], task["index"], recipe, skipped, lambda attempt: send(answers, {"attempt": attempt})
        )
        write_shard(Path(task["path"]), [(clip.name, encode(clip))])
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
    return {"made": {"refused": len(clip.meta["refused"]), "substituted": clip.meta["substituted"]}}


if __name__ == "__main__":
    main()
