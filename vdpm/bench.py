"""How much less work it is to decode what is asked: timings against the plain run, same weights, same process.

python -m vdpm.bench --sizes small --height 252 --width 252 --frames 5

Times do not depend on the weights, so random ones do. Every row is the median of the repeats, and says how far its answers
are from those of the plain run, as max |d| / max |plain|. On a CPU seconds are those that its cores worked, whatever else
they had to do; on an accelerator they are those that passed.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import tyro
from torch import Tensor

from vdpm.errors import UserError, run_command
from vdpm.model.device import best_device
from vdpm.model.encoding import Encoding
from vdpm.model.model import Model
from vdpm.model.network import Network
from vdpm.model.plain import Plain, infer
from vdpm.model.sizes import PRESETS

T = TypeVar("T")
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    sizes: Literal["full", "small", "tiny"] = "small"
    """Size of the network."""
    frames: int = 5
    """Of the video; all of them are target times."""
    height: int = 252
    """Of its images, a multiple of 14."""
    width: int = 252
    repeats: int = 3
    threads: int = 0
    """Of the CPU; 0 for as many as torch wants."""
    seed: int = 0
    """Of weights and video."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to run the network."""

    name: str
    seconds: float
    off: float
    token_bytes: int
    """Of the levels that it keeps."""
    map_bytes: int
    """Of the maps that lie on the device at once."""


def main(config: Config) -> None:
    """Time the ways, print a table."""
    if config.frames < 1 or config.height % 14 or config.width % 14 or min(config.height, config.width) < 14:
        raise UserError(
            f"{config.frames} frames of {config.width} x {config.height}: one or more, sides multiples of 14"
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    device = best_device()
    network = Network(PRESETS[config.sizes]).to(device).eval()
    images = torch.rand(1, config.frames, 3, config.height, config.width, device=device)
    print(
        f"{config.sizes}, {config.frames} frames of {config.width} x {config.height}, {device}, medians of {config.repeats}"
    )
    print_table(compare(network, images, config.repeats))


def compare(network: Network, images: Tensor, repeats: int) -> list[Row]:
    """Rows of the plain run and of the ways to do less."""
    seconds, full = timed(lambda: infer(network, images), repeats)
    rows = [plain_row("plain, float32", seconds, full, full)]
    seconds, half_full = timed(lambda: infer(network, images, bfloat16=True), repeats)
    rows.append(plain_row("plain, bfloat16", seconds, half_full, full))
    for half in (False, True):
        model = Model(network=network, device=images.device, bfloat16=half)
        for what, frames in (("every frame", None), ("one frame", (0,))):
            name = f"{what}, {'bfloat16' if half else 'float32'}"
            rows.append(lazy_row(name, model, images, frames, full, repeats))
    return rows


def plain_row(name: str, seconds: float, plain: Plain, full: Plain) -> Row:
    """The published way."""
    return Row(
        name=name,
        seconds=seconds,
        off=distance(plain.points, full.points),
        token_bytes=sum(size(level) for level in plain.tokens),
        map_bytes=size(plain.points) + size(plain.confidence),
    )


def lazy_row(name: str, model: Model, images: Tensor, frames: tuple[int, ...] | None, full: Plain, repeats: int) -> Row:
    """Encode once, decode some frames at all times."""

    def run() -> tuple[Encoding, Tensor]:
        encoding = model.encode(images)
        encoding.poses()
        return encoding, torch.stack([maps.points for maps in encoding.decode(frames=frames)])

    seconds, (encoding, points) = timed(run, repeats)
    expected = full.points if frames is None else full.points[:, :, frames]
    return Row(
        name=name,
        seconds=seconds,
        off=distance(points, expected),
        token_bytes=size(encoding.levels),
        map_bytes=size(points[0]) * 4 // 3,
    )


def timed(run: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Median seconds, and what the last run answered; one run before is for caches to fill."""
    clock = time.perf_counter if torch.accelerator.is_available() else time.process_time
    answer, seconds = run(), []
    for _ in range(repeats):
        wait()
        began = clock()
        answer = run()
        wait()
        seconds.append(clock() - began)
    return statistics.median(seconds), answer


def wait() -> None:
    """Until the accelerator, if there is one, is done."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def distance(ours: Tensor, plain: Tensor) -> float:
    """max |d| / max |plain|."""
    ours, plain = ours.float().cpu(), plain.float().cpu()
    return float((ours - plain).abs().max() / plain.abs().max())


def print_table(rows: list[Row]) -> None:
    """Ratios are to the plain run in float32."""
    plain = rows[0]
    print(f"{'':24}{'seconds':>9}{'faster':>9}{'off':>10}{'tokens MiB':>12}{'ratio':>7}{'maps MiB':>10}{'ratio':>7}")
    for row in rows:
        print(
            f"{row.name:24}{row.seconds:9.2f}{plain.seconds / row.seconds:8.2f}x{row.off:10.1e}"
            f"{row.token_bytes / MIB:12.1f}{row.token_bytes / plain.token_bytes:7.3f}"
            f"{row.map_bytes / MIB:10.1f}{row.map_bytes / plain.map_bytes:7.3f}"
        )


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
