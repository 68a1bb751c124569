"""What the viewer shows: clouds of points that move, tracks, cameras."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from vdpm.clip import Cameras


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A reconstruction: points at T times in one world frame. NaN stands for a point that is not there at a time."""

    name: str
    points: Float32[np.ndarray, "T N 3"]
    """Row n may be another point at each time (P_t(t), pixel n of each frame) or the same one (P_0(t))."""
    colours: UInt8[np.ndarray, "C N 3"]
    """For every time, or once for all of them (C = 1)."""
    confidence: Float32[np.ndarray, "T N"] | None = None
    """Any scale, larger is surer; only the order matters."""
    tracks: Float32[np.ndarray, "T M 3"] | None = None
    """Points that are the same at all times, drawn as lines that fade behind them."""
    track_colours: UInt8[np.ndarray, "M 3"] | None = None
    cameras: Cameras | None = None
    """One a time, in the same world."""
    image: tuple[int, int] = (0, 0)
    """Height and width of what the cameras see, in the pixels of their K."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Pictures of every time that are shown beside the cloud and run with it."""

    name: str
    frames: UInt8[np.ndarray, "T H W 3"]


@dataclass(frozen=True, kw_only=True)
class ViewerScene:
    """One page: one cloud, or two side by side in one world that are looked at from the same place."""

    title: str
    clouds: tuple[Cloud, ...]
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    """(0, -1, 0) where the world is an OpenCV camera."""
    frame_rate: float = 12.0
    frames: UInt8[np.ndarray, "T H W 3"] | None = None
    """The video, shown small in a corner."""
    panels: tuple[Panel, ...] = ()
    """More pictures, in a strip that can be folded away."""
    note: str = ""
    """A line of text: what this is, where it comes from."""
