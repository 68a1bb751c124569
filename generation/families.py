"""The scene families: each file of `generation/scenes/` is one, known by its file name, imported only when asked for."""

import importlib
from collections.abc import Callable
from pathlib import Path

from generation.scene import Scene
from vdpm.errors import UserError, unknown

FOLDER = Path(__file__).parent / "scenes"


def names() -> list[str]:
    """All families, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def check(name: str) -> str:
    """The name itself if it is a family; else a `UserError` that lists them."""
    if name not in names():
        raise unknown("family", name, [*names(), "all"], "add one as generation/scenes/NAME.py")
    return name


def mixture(spec: str, clips: range) -> list[tuple[str, int]]:
    """Which clips a range of a mixed dataset consists of, as (family, index).

    `spec` is "all", or names with whole weights like "kubric_f:2,room". The families take turns, so that any range has
    the mixture, disjoint ranges have disjoint clips, and clip i of a family is the same in every mixture.
    """
    turns = _turns(spec)
    rank = [turns[:place].count(family) for place, family in enumerate(turns)]
    return [
        (turns[at % len(turns)], at // len(turns) * turns.count(turns[at % len(turns)]) + rank[at % len(turns)])
        for at in clips
    ]


def _turns(spec: str) -> list[str]:
    """One round: every family as often as its weight, spread over the round."""
    weights: dict[str, int] = {}
    for part in ",".join(names()).split(",") if spec == "all" else spec.split(","):
        name, _, weight = part.strip().partition(":")
        if weight and not (weight.isdecimal() and int(weight) > 0):
            raise UserError(f"--family {spec}: the weight {weight!r} of {name} must be a whole number from 1 on")
        if check(name) in weights:
            raise UserError(f"--family {spec}: {name} is named twice; give it a weight, as in {name}:2")
        weights[name] = int(weight or 1)
    slots = [((turn + 0.5) / weight, name) for name, weight in weights.items() for turn in range(weight)]
    return [name for _, name in sorted(slots, key=lambda slot: slot[0])]


def load(name: str) -> Callable[..., Scene]:
    """`sample(rng, frames, resolution, scratch)` of a family. Imports the simulator: for workers only."""
    return importlib.import_module(f"generation.scenes.{check(name)}").sample
