"""Where clips are made: each file of `executors/` is an executor, known by its name, imported only when asked for.

An executor has `run(jobs, plan)`, which makes every clip in the file its job names and tells of each as it finishes, in any
order. It raises `UserError` when nothing more can be made at all.
"""

import importlib
from collections.abc import Callable, Generator
from pathlib import Path

from generation.jobs import Job, Outcome, Plan
from vdpm.errors import unknown

FOLDER = Path(__file__).parent / "executors"


def names() -> list[str]:
    """All executors, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def check(name: str) -> str:
    """The name itself if it is an executor; else a `UserError` that lists them."""
    if name not in names():
        raise unknown("executor", name, names(), "add one as generation/executors/NAME.py")
    return name


def load(name: str) -> Callable[[list[Job], Plan], Generator[Outcome, None, None]]:
    """`run` of an executor."""
    return importlib.import_module(f"generation.executors.{check(name)}").run
