"""What videos of so many frames take on a GPU: milliseconds, peak memory, and how many frames fit.

python -m vdpm.bench_gpu --frames 10 32 64 --longest 60

Times do not depend on the weights, so random ones do. `encode` is the backbone, once a video; `a time` is every frame at one
target time, maps brought to the host included; a whole video is `encode` and as many times as it has frames. Attention is
PyTorch's own, one kernel named at a time; `compiled` blocks are each one graph of `torch.compile(fullgraph=True)`.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeVar

import torch
import tyro
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from vdpm.errors import UserError, run_command
from vdpm.model.model import Model
from vdpm.model.network import Network
from vdpm.model.sizes import PRESETS
from vdpm.training.learner import blocks

T = TypeVar("T")
GIB = 2**30
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
HEAD = f"{'frames':>6}  {'attention':<10}{'blocks':<10}{'encode ms':>10}{'a time ms':>10}{'all times s':>12}{'peak GiB':>9}"


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    sizes: Literal["full", "small", "tiny"] = "full"
    frames: tuple[int, ...] = (10, 32, 64)
    """Lengths of videos."""
    height: int = 294
    """Of the images, a multiple of 14."""
    width: int = 518
    attention: tuple[Literal["flash", "efficient", "cudnn"], ...] = ("flash", "efficient", "cudnn")
    """Kernels to compare, in bfloat16."""
    compiled: tuple[bool, ...] = (False, True)
    """Whether blocks are compiled; with the first kernel alone, as a graph keeps the one that it was made with."""
    longest: float = 0.0
    """Seconds to spend on longer and longer videos until memory is full; 0 leaves this out."""
    repeats: int = 3
    seed: int = 0


def main(config: Config) -> None:
    """Print a row for each length and way, then the longest video."""
    if not torch.cuda.is_available():
        raise UserError("there is no CUDA device; on a CPU use python -m vdpm.bench")
    if config.height % 14 or config.width % 14 or min(config.frames) < 1:
        raise UserError(
            f"{config.frames} frames of {config.width} x {config.height}: sides multiples of 14, one or more"
        )
    torch.manual_seed(config.seed)
    device = torch.device("cuda")
    network = Network(PRESETS[config.sizes]).to(device).eval()
    model = Model(network=network, device=device, bfloat16=True)
    print(
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {config.sizes}, {config.width} x {config.height}"
    )
    print(f"bfloat16, medians of {config.repeats}\n{HEAD}", flush=True)
    for compiled in sorted(config.compiled):
        if compiled:
            compile_blocks(network)
        for frames, kernel in product(config.frames, config.attention[:1] if compiled else config.attention):
            video = torch.rand(1, frames, 3, config.height, config.width, device=device)
            print(row(model, video, kernel, compiled, config.repeats), flush=True)
    if config.longest:
        print(longest(model, config), flush=True)


def compile_blocks(network: Network) -> None:
    """Each block as one graph, which all blocks of its kind share."""
    for block in blocks(network):
        block.compile(fullgraph=True)


def row(model: Model, video: Tensor, kernel: str, compiled: bool, repeats: int) -> str:
    """A line of the table."""
    torch.cuda.reset_peak_memory_stats()
    frames = video.shape[1]
    with sdpa_kernel(KERNELS[kernel]):
        encode, encoding = timed(lambda: model.encode(video), repeats)
        decode, _ = timed(lambda: next(encoding.decode([frames - 1])), repeats)
    peak = torch.cuda.max_memory_allocated() / GIB
    ways = "compiled" if compiled else "as is"
    whole = encode + frames * decode
    return f"{frames:6}  {kernel:<10}{ways:<10}{1e3 * encode:10.0f}{1e3 * decode:10.0f}{whole:12.2f}{peak:9.1f}"


def timed(run: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Median seconds, and what the last run answered; one run before is for compilation and caches."""
    answer, seconds = run(), []
    for _ in range(repeats):
        torch.cuda.synchronize()
        began = time.perf_counter()
        answer = run()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), answer


def longest(model: Model, config: Config) -> str:
    """The longest video that was encoded and decoded at one time: doubled, then in between, until the time is over."""
    began, fits, full, frames = time.perf_counter(), 0, 0, max(config.frames)
    while frames and time.perf_counter() - began < config.longest:
        with memory() as enough, sdpa_kernel(KERNELS[config.attention[0]]):
            video = torch.rand(1, frames, 3, config.height, config.width, device=model.device)
            next(model.encode(video).decode([0]))
        fits, full = (frames, full) if enough() else (fits, frames)
        frames = longer(fits, full)
    limit = f"{full} do not fit" if full else "more were not tried"
    total = torch.cuda.get_device_properties(0).total_memory / GIB
    return f"longest video that was run: {fits} frames in {total:.0f} GiB; {limit}"


def longer(fits: int, full: int) -> int:
    """The next length to try after so many frames fitted and so many did not, if any did not; 0 when it is known."""
    if full and full - fits <= max(8, fits // 8):
        return 0
    return (fits + full) // 2 if full else 2 * fits


@contextmanager
def memory() -> Iterator[Callable[[], bool]]:
    """Whether there was enough of it for what happens inside."""
    enough = True
    try:
        yield lambda: enough
    except torch.OutOfMemoryError:
        enough = False
    finally:
        torch.cuda.empty_cache()


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
