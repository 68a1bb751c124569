"""A video that went through the backbone once, from which maps are decoded as they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from vdpm.errors import UserError
from vdpm.model.chain import Links
from vdpm.model.device import products
from vdpm.model.network import Encoded, Network
from vdpm.model.point_head import CHUNK

TOKENS_AT_ONCE = {"cpu": 2048, "cuda": 16384, "mps": 8192}
"""Below so many tokens a pass leaves the device idle, so that several times share one."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Point maps of frames of a batch of videos, on the host."""

    points: Float[Tensor, "B F H W 3"]
    """In the camera of the first frame."""
    confidence: Float[Tensor, "B F H W"]
    """Above 1, relative."""


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """The tokens of a batch of videos: four of the backbone's levels, all that anything else reads.

    A time is named by the frame that was taken then; points are in the camera of the first frame.
    """

    network: Network
    encoded: Encoded
    height: int
    width: int
    bfloat16: bool
    """Whether the decoder multiplies in bfloat16."""

    @property
    def levels(self) -> Float[Tensor, "L B S P D"]:
        return self.encoded.levels

    @property
    def frames(self) -> int:
        return self.levels.shape[2]

    @property
    def _grid(self) -> tuple[int, int]:
        return self.network.grid(self.height, self.width)

    def video(self, frames: Sequence[int] | None = None) -> Maps:
        """P: each frame at its own time. The decoder is not needed for it."""
        asked = self._named("frame", range(self.frames) if frames is None else frames)
        chunks = [list(asked[at : at + CHUNK]) for at in range(0, len(asked), CHUNK)]
        parts = [self._on_host(self._here(chunk)) for chunk in chunks]
        return Maps(
            points=torch.cat([part.points for part in parts], dim=1),
            confidence=torch.cat([part.confidence for part in parts], dim=1),
        )

    def decode(self, times: Sequence[int] | None = None, frames: Sequence[int] | None = None) -> Iterator[Maps]:
        """Q at each of the times, one after another and none before it is asked for: all frames or those named.

        What the device holds does not grow with the number of times.
        """
        asked_times = self._named("time", range(self.frames) if times is None else times)
        asked = None if frames is None else self._named("frame", frames)
        return self._decoded(asked_times, None if asked == tuple(range(self.frames)) else asked)

    def _decoded(self, times: tuple[int, ...], frames: tuple[int, ...] | None) -> Iterator[Maps]:
        if self.network.sizes.matching:
            yield from (self._carried(time, frames) for time in times)
            return
        batch, step = self.levels.shape[1], self._times_at_once()
        for at in range(0, len(times), step):
            some = times[at : at + step]
            moved = self._moved(some, frames).unflatten(1, (batch, len(some)))
            for number in range(len(some)):
                yield self._maps(moved[:, :, number])

    @torch.no_grad()
    def _moved(self, times: tuple[int, ...], frames: tuple[int, ...] | None) -> Float[Tensor, "L BT F P D"]:
        """Levels at some times, of which the batch has room for all."""
        batch = self.levels.shape[1]
        levels = self.levels[:, :, None].expand(-1, -1, len(times), -1, -1, -1).flatten(1, 2)
        index = torch.tensor(times, device=levels.device).expand(batch, -1)
        with products(levels.device, self.bfloat16):
            condition = self.network.conditions(self.levels, index).flatten(0, 1)[:, None]
            return self.network.decoder(levels, condition, self._grid, frames)

    def tracks(self, pixels: Float[Tensor, "N 3"], times: Sequence[int] | None = None) -> Float[Tensor, "B T N 3"]:
        """Where the points behind pixels (frame, u, v) are at each time; (0, 0) is the corner of the first pixel.

        A point map jumps at the edges of things, so the pixel that (u, v) lies in answers; nothing is interpolated.
        """
        frame, u, v = pixels.floor().long().unbind(-1)
        asked = sorted(set(frame.tolist()))
        if len(pixels) == 0 or u.min() < 0 or v.min() < 0 or u.max() >= self.width or v.max() >= self.height:
            raise UserError(f"tracks need pixels inside of the {self.width} x {self.height} image, as (frame, u, v)")
        place = torch.tensor([asked.index(number) for number in frame.tolist()])
        return torch.stack([maps.points[:, place, v, u] for maps in self.decode(times, asked)], dim=1)

    @torch.no_grad()
    def poses(self) -> Float[Tensor, "B S 9"]:
        """Pose encodings of all frames, which `vdpm.model.poses` reads, on the host."""
        with products(self.levels.device, False):
            return self.network.poses(self.levels)[-1].float().cpu()

    @torch.no_grad()
    def _carried(self, time: int, frames: tuple[int, ...] | None) -> Maps:
        """Q at one time by a network that matches frames; P and cameras of all frames are made once."""
        here, cameras = self._ends
        target = torch.full((len(cameras),), time, device=cameras.device)
        sources = torch.tensor(frames or tuple(range(self.frames)), device=cameras.device).expand(len(cameras), -1)
        with products(self.levels.device, self.bfloat16):
            return self._on_host(self.network.carried(self.encoded, here, cameras, target, sources, self._links)[0])

    @cached_property
    @torch.no_grad()
    def _links(self) -> Links | None:
        """Matches of neighbouring frames; two frames have no way round."""
        with products(self.levels.device, self.bfloat16):
            return self.network.links(self.encoded) if self.frames > 2 else None

    @cached_property
    @torch.no_grad()
    def _ends(self) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """P and pose encodings of all frames, on the device."""
        with products(self.levels.device, False):
            return self.network.here(self.encoded), self.network.poses(self.levels)[-1]

    @torch.no_grad()
    def _here(self, frames: list[int]) -> tuple[Tensor, Tensor]:
        return self.network.here(self.encoded, frames)

    @torch.no_grad()
    def _maps(self, levels: Float[Tensor, "L B F P D"]) -> Maps:
        return self._on_host(self.network.point_head(levels, self._grid))

    def _on_host(self, maps: tuple[Tensor, Tensor]) -> Maps:
        return Maps(points=maps[0].float().cpu(), confidence=maps[1].float().cpu())

    def _times_at_once(self) -> int:
        room = TOKENS_AT_ONCE.get(self.levels.device.type, TOKENS_AT_ONCE["cpu"])
        return max(1, room // self.levels[..., 0].numel())

    def _named(self, kind: str, numbers: Sequence[int]) -> tuple[int, ...]:
        wrong = [number for number in numbers if not 0 <= number < self.frames]
        if wrong or not numbers:
            raise UserError(f"{kind}s {wrong or 'none'}: name some of the {self.frames} frames, 0 to {self.frames - 1}")
        return tuple(numbers)
