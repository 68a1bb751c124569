"""What the executors of `generation/executors/` have in common: jobs, their outcomes, and the limits they run under."""

from dataclasses import dataclass
from pathlib import Path

from generation.make import Recipe


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one clip and one worker process may use."""

    timeout: float = 1800.0
    """Seconds a drawn scene may take. One that takes longer is tried again, then the next draw takes its place."""
    memory: int = 6000
    """MB a worker process may hold while it makes a clip; beyond, it is stopped, as with --timeout."""
    recycle: int = 2000
    """MB after which a worker is replaced when its clip is finished: Blender leaks."""
    recycle_clips: int = 16
    """Clips after which a worker is replaced."""
    reserve: float = 500
    """MB of disk that are left free: the run stops before."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One clip to make and where to put it."""

    family: str
    index: int
    recipe: Recipe
    path: Path
    skipped: tuple[tuple[int, str], ...] = ()
    """Draws to pass over, and why: those that a clip did without when it was made before."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job; `failure` is the reason when there is no clip."""

    job: Job
    failure: str | None = None
    refused: int = 0
    """Scenes drawn before this one that the checks refused."""
    megabytes: float = 0.0
    """What the worker held when it was done."""
    substituted: tuple[str, ...] = ()
    """Why scenes before this one could not be made, though nothing was wrong with them: they crashed, or took too long."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to run jobs."""

    workers: int
    """Processes on this machine; a cluster decides for itself."""
    limits: Limits
    address: str | None = None
    """Of a cluster."""
