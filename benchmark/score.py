"""What a metric is and what it answers: the records between the formulas and the tables."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar

Better = Literal["lower", "higher"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """A value over `count` pixels or poses, or None and the reason."""

    value: float | None
    count: int = 0
    note: str = ""
    """Why the value is missing, or what to know about it."""
    weight: float | None = None
    """What the value is a share of, for a metric that is pooled."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A registered metric and how to read its values."""

    name: str
    function: Callable[..., Score]
    """Of truth and prediction; those of `cost` of the cost."""
    needs: Literal["depth", "world_from_camera", "points", "visible", "cost"]
    """Field of `Prediction` that a method has to claim; `cost` is measured."""
    group: str
    """Heading that its column stands under."""
    title: str
    unit: str
    """Empty for plain ratios."""
    better: Better = "lower"
    moving: bool = False
    """Over moving pixels only; its twin over all valid pixels has the same title."""
    seen: bool = False
    """Looks at what hides each point (`Truth.seen`)."""
    pooled: bool = False
    """A ratio of two sums: over tasks and clips the sums are added before they are divided (`Score.weight` is the lower)."""
    unit_free: bool = True
    """The unit of length of the prediction does not matter. It does in some evaluators, against their intention."""


def finite(value: float, count: int) -> Score:
    """A value, or a blank where an alignment had no finite solution."""
    if not math.isfinite(value):
        return Score(value=None, note="the alignment has no finite solution")
    return Score(value=float(value), count=count)


Answer = TypeVar("Answer")


def once(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Remember the last answer, for the metrics of a task that ask for the same intermediate one after the other.

    Arguments are recognised by identity: records are frozen, and what they hold is never changed.
    """
    kept: list[tuple[tuple[Any, ...], Answer]] = []

    @wraps(function)
    def remembering(*arguments: Any) -> Answer:
        if kept and len(arguments) == len(kept[0][0]) and all(map(lambda a, b: a is b, arguments, kept[0][0])):
            return kept[0][1]
        answer = function(*arguments)
        kept[:] = [(arguments, answer)]
        return answer

    return remembering
