"""The protocols: which frames a method is shown, what it is asked for, and which metrics its answers get.

A change of anything that moves a number raises the version; rows of different versions are never averaged.
"""

from dataclasses import dataclass

from benchmark.metrics import METRICS
from vdpm.errors import unknown


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question to a method: it sees these frames of a clip and nothing else."""

    frames: tuple[int, ...]
    sources: tuple[int, ...]
    """Indices into `frames` whose pixels have to be carried to all times."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How tasks are cut out of a clip. The score of a clip is the mean over its tasks."""

    name: str
    version: str
    title: str
    description: str
    metrics: tuple[str, ...]
    length: int | None = None
    """Frames of a task; None shows the whole clip."""
    stride: int = 1
    """Frames of the clip from one frame of a task to the next."""
    sources: tuple[int, ...] = ()
    tasks_per_clip: int = 1

    @property
    def frames_needed(self) -> int:
        """Length of the shortest clip that has a task."""
        return 1 if self.length is None else (self.length - 1) * self.stride + 1

    def tasks(self, clip_length: int) -> list[Task]:
        """The tasks of a clip, their first frames spread evenly from its start to its end; none if it is too short."""
        if clip_length < self.frames_needed:
            return []
        if self.length is None:
            return [Task(frames=tuple(range(clip_length)), sources=self.sources)]
        last = clip_length - self.frames_needed
        starts = sorted({last * i // max(self.tasks_per_clip - 1, 1) for i in range(self.tasks_per_clip)})
        return [Task(frames=tuple(start + self.stride * i for i in range(self.length)), sources=self.sources)
                for start in starts]  # fmt: skip


def _metrics(needs: str, prefix: str = "") -> tuple[str, ...]:
    return tuple(name for name, metric in METRICS.items() if metric.needs == needs and name.startswith(prefix))


def _pair(stride: int) -> Protocol:
    return Protocol(
        name=f"vdpm_pair{stride}",
        version="1",
        title=f"Two views, {stride} frames apart",
        description=(
            f"Two views {stride} frames apart and nothing else, at up to four evenly spread places of the clip: where "
            "is every pixel of either view at either time, in the frame of the first camera? End-point error of the "
            "four point maps P0(t0), P0(t1), P1(t0), P1(t1), as in Table 1 of V-DPM. Prediction and truth are each "
            "brought to unit mean norm, jointly over the four maps and over the pixels with valid truth; nothing else "
            "is aligned, so camera error counts. Mean over pixels, then pairs, then clips."
        ),
        metrics=_metrics("points", "epe_p"),
        length=2,
        stride=stride,
        sources=(0, 1),
        tasks_per_clip=4,
    )


_ALL = [
    Protocol(
        name="video",
        version="1",
        title="Video: depth and camera",
        description=(
            "The whole clip is shown. Depth: one scale per clip, the exact L1 optimum, then AbsRel and the share of pixels "
            "within 25 %. Camera: Sim(3) alignment of the camera centres (Umeyama), then the rmse of centres (ATE) and "
            "of the relative motion of neighbouring frames (RPE), as evo computes them. On a straight path the "
            "rotation about it is free and changes none of the errors; a camera that stands still gets a blank for ATE "
            "and RPE-t."
        ),
        metrics=_metrics("depth") + _metrics("world_from_camera"),
    ),
    _pair(2),
    _pair(8),
    Protocol(
        name="vdpm_track10",
        version="1",
        title="Dense tracking over 10 frames",
        description=(
            "Ten frames, two apart, from the start of the clip: where is every pixel of the first frame at each of the "
            "ten times, in the frame of the first camera? End-point error of P0(t0) to P0(t9), as in Table 2 of V-DPM, "
            "normalised as in the two-view protocols."
        ),
        metrics=_metrics("points", "epe_track"),
        length=10,
        stride=2,
        sources=(0,),
    ),
]
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}


def find_protocols(names: tuple[str, ...]) -> list[Protocol]:
    """The protocols of these names, in the order of the registry; all of them for no name."""
    for name in names:
        if name not in PROTOCOLS:
            raise unknown("protocol", name, list(PROTOCOLS), "add one to benchmark/protocols.py")
    return [protocol for name, protocol in PROTOCOLS.items() if name in (names or PROTOCOLS)]
