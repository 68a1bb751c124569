"""The scene families: each file of `generation/scenes/` is one, known by its file name, imported only when asked for."""

import importlib
from collections.abc import Callable
from pathlib import Path

from generation.scene import Scene
from vdpm.errors import unknown

FOLDER = Path(__file__).parent / "scenes"


def names() -> list[str]:
    """All families, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def check(name: str) -> str:
    """The name itself if it is a family; else a `UserError` that lists them."""
    if name not in names():
        raise unknown("family", name, names(), "add one as generation/scenes/NAME.py")
    return name


def load(name: str) -> Callable[..., Scene]:
    """`sample(rng, frames, resolution, scratch)` of a family. Imports the simulator: for workers only."""
    return importlib.import_module(f"generation.scenes.{check(name)}").sample
