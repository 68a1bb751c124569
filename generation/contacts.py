"""From the contact points of a simulator's steps to one contact for each pair of bodies and frame."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from vdpm.clip import Contacts

LEAST_FORCE = 1e-6
"""Newtons; a simulator's rows of less are of things that are near without pushing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A contact point in a step of a simulator."""

    step: int
    """The step that has just been made, counted from the first frame: the steps up to step k lead to k / step rate s."""
    first: str
    second: str
    position: tuple[float, float, float]
    """World, metres."""
    normal: tuple[float, float, float]
    """World, unit: where the second pushes the first."""
    force: float
    """Normal force, newtons."""


@dataclass(frozen=True, kw_only=True)
class Touching:
    """Contacts whose bodies are numbers of names, in whatever order the names have."""

    names: tuple[str, ...] = ()
    contacts: Contacts = Contacts(
        frame=np.zeros(0, np.int32),
        bodies=np.zeros((0, 2), np.int32),
        position=np.zeros((0, 3), np.float32),
        normal=np.zeros((0, 3), np.float32),
        force=np.zeros(0, np.float32),
        peak=np.zeros(0, np.float32),
    )


def frame_of(step: Int[np.ndarray, " N"], steps_per_frame: int) -> Int[np.ndarray, " N"]:
    """The frame nearest to the middle of each step."""
    return np.floor((step - 0.5) / steps_per_frame + 0.5).astype(np.int64)


def gather(rows: Iterable[Row], steps: range, steps_per_frame: int, frames: int) -> Touching:
    """The contacts around every frame (`vdpm.clip.Contacts`), of the points of some consecutive steps."""
    kept = [row for row in rows if row.force > LEAST_FORCE]
    if not kept:
        return Touching()
    names = tuple(sorted({name for row in kept for name in (row.first, row.second)}))
    number = {name: place for place, name in enumerate(names)}
    pair = np.array([(number[row.first], number[row.second]) for row in kept])
    step = np.array([row.step for row in kept])
    push = np.array([row.normal for row in kept]) * np.array([[row.force] for row in kept])
    push = push * np.where(pair[:, :1] > pair[:, 1:], -1.0, 1.0)
    pair = np.sort(pair, axis=1)
    weight = np.array([row.force for row in kept])
    position = np.array([row.position for row in kept]) * weight[:, None]
    which, of_row = np.unique(np.column_stack([frame_of(step, steps_per_frame), pair]), axis=0, return_inverse=True)
    _, first, of_step = np.unique(np.column_stack([step, pair]), axis=0, return_index=True, return_inverse=True)
    pushes, in_step = _sums(push, of_row, len(which)), np.linalg.norm(_sums(push, of_step, len(first)), axis=1)
    peak = np.zeros(len(which))
    np.maximum.at(peak, of_row.reshape(-1)[first], in_step)
    number_of_steps = np.bincount(np.clip(frame_of(np.array(steps), steps_per_frame), -1, frames) + 1)[1:]
    whole, good = np.linalg.norm(pushes, axis=1), (which[:, 0] >= 0) & (which[:, 0] < frames)
    good &= whole > LEAST_FORCE
    centre = _sums(position, of_row, len(which)) / _sums(weight[:, None], of_row, len(which))
    return Touching(
        names=names,
        contacts=Contacts(
            frame=which[good, 0].astype(np.int32),
            bodies=which[good, 1:].astype(np.int32),
            position=centre[good].astype(np.float32),
            normal=(pushes[good] / whole[good, None]).astype(np.float32),
            force=(whole[good] / number_of_steps[which[good, 0]]).astype(np.float32),
            peak=peak[good].astype(np.float32),
        ),
    )


def _sums(values: Float64[np.ndarray, "N C"], group: np.ndarray, groups: int) -> Float64[np.ndarray, "G C"]:
    """Sums of the rows of each group."""
    group = group.reshape(-1)
    return np.stack([np.bincount(group, column, minlength=groups) for column in values.T], axis=1)


def among(touching: Touching, names: list[str]) -> Contacts:
    """The contacts of bodies that bear these names, numbered in their order, the lower number first."""
    place = np.array([names.index(name) if name in names else -1 for name in touching.names], np.int32)
    bodies = place[touching.contacts.bodies] if len(place) else touching.contacts.bodies
    kept = (bodies >= 0).all(axis=1)
    rows = {name: value[kept] for name, value in vars(touching.contacts).items()}
    swapped = (bodies[kept, :1] > bodies[kept, 1:]).astype(np.float32)
    rows |= {"bodies": np.sort(bodies[kept], axis=1), "normal": rows["normal"] * (1 - 2 * swapped)}
    return Contacts(**rows)


def held(touching: Touching, frames: int) -> Touching:
    """The contacts of the first frame at every frame: what a scene that is frozen there has."""
    first = touching.contacts.frame == 0
    rows = {name: np.concatenate([value[first]] * frames) for name, value in vars(touching.contacts).items()}
    rows["frame"] = np.repeat(np.arange(frames, dtype=np.int32), int(first.sum()))
    return replace(touching, contacts=Contacts(**rows))
