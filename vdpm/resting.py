"""How still lies what lies, and how deep in the floor: measured, clip by clip.

A body is at rest at a frame if, over the half second around it, it touches something all the time and none of its vertices
gets farther than `NEAR` from where it is then. What trembles goes to and fro there: paths are longer than the way from their
beginning to their end. A push, or a roll that begins slowly, has no such excess; a thing that rocks until it lies has some.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from vdpm.clip import Clip
from vdpm.derive import body_of_vertex, body_vertices
from vdpm.geometry import transform
from vdpm.verify import BACKGROUND

HALF_SECONDS = 0.25
"""Before a frame, and after it."""
NEAR = 0.01
"""Metres."""
FRAME_RATE = 12
"""Hz, where a clip does not say."""


@dataclass(frozen=True, kw_only=True)
class Rest:
    """Of one clip, without what belongs to the place (ground and structure)."""

    excess: Float64[np.ndarray, " N"]
    """Of each body at each frame at which it is at rest: metres to and fro per frame, of the vertex that has most."""
    lowest_at_rest: float
    """Least z of their vertices then, metres; inf if nothing is at rest."""
    lowest: float
    """Least z of any thing at any frame, likewise."""


def measure(clip: Clip) -> Rest:
    """All of it. In clips that tell no contacts, nothing is known to be at rest."""
    half = max(1, round(HALF_SECONDS * clip.meta.get("frame_rate", FRAME_RATE)))
    roles = [facts.get("role") for facts in clip.meta.get("bodies", [])]
    of_vertex, excess, low, lows = body_of_vertex(clip.surfaces), [], np.inf, [np.inf]
    shapes = [body_vertices(clip.surfaces, time) for time in range(len(clip.rgb))]
    for body, role in enumerate(roles):
        if role in BACKGROUND:
            continue
        places = np.stack(
            [
                transform(pose, shape[of_vertex == body])
                for pose, shape in zip(clip.surfaces.world_from_body[:, body], shapes, strict=True)
            ]
        )
        lows.append(float(places[..., 2].min()))
        for frame in np.flatnonzero(at_rest(places, touching(clip, body), half)):
            excess.append(to_and_fro(places[frame - half : frame + half + 1]))
            low = min(low, float(places[frame, :, 2].min()))
    return Rest(excess=np.array(excess, np.float64), lowest_at_rest=low, lowest=min(lows))


def touching(clip: Clip, body: int) -> Bool[np.ndarray, " T"]:
    """Whether a body is known to touch another at each frame."""
    found = np.zeros(len(clip.rgb), bool)
    if clip.physics is not None:
        contacts = clip.physics.contacts
        found[contacts.frame[(contacts.bodies == body).any(axis=1)]] = True
    return found


def at_rest(places: Float64[np.ndarray, "T V 3"], touches: Bool[np.ndarray, " T"], half: int) -> Bool[np.ndarray, " T"]:
    """At which frames a body with these vertices is at rest; at none of the first and last `half`."""
    rests = np.zeros(len(places), bool)
    for frame in range(half, len(places) - half):
        around = slice(frame - half, frame + half + 1)
        if touches[around].all():
            rests[frame] = np.linalg.norm(places[around] - places[frame], axis=-1).max() < NEAR
    return rests


def to_and_fro(places: Float64[np.ndarray, "T V 3"]) -> float:
    """By how much the path of a vertex is longer than the way between its ends, metres per frame; the most of any vertex."""
    paths = np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(axis=0)
    return float((paths - np.linalg.norm(places[-1] - places[0], axis=-1)).max()) / (len(places) - 1)
