"""What answering costs, measured in the process that answers; and the metrics of the protocol `cost`."""

import platform
import resource
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from benchmark.predictions import Cost
from benchmark.score import Metric, Score

_STATUS, _PEAKS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
GIGA = 1e9


def reset_peaks() -> None:
    """Start measuring anew, where the system allows it; else the peak is that of all clips so far."""
    try:
        _PEAKS.write_text("5")
    except OSError:
        pass
    if torch := _torch_on_gpu():
        torch.cuda.reset_peak_memory_stats()


def ram_peak() -> int | None:
    """Most bytes that this process held since, or a program that it called ever.

    From /proc, since `getrusage` counts what the parent held before it started this process.
    """
    called = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    own = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return max(own[0], called) if own else None


def gpu_peak() -> int | None:
    """Most bytes of tensors on the accelerator; None where torch does not use one."""
    torch = _torch_on_gpu()
    return int(torch.cuda.max_memory_allocated()) if torch else None


def parameters() -> int | None:
    """Numbers in the torch parameters that are alive in this process; None where torch was not imported."""
    import gc

    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return sum(thing.numel() for thing in gc.get_objects() if type(thing) is torch.nn.Parameter)


def count_flops(call: Callable[[], object]) -> int | None:
    """Operations of a call as `torch.utils.flop_counter` counts them; None for what does not use torch."""
    if "torch" not in sys.modules:
        return None
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def device() -> str:
    """The accelerator if torch uses one, else the processor."""
    if torch := _torch_on_gpu():
        return torch.cuda.get_device_name()
    return _processor()


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _torch_on_gpu():
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


def _column(read: Callable[[Cost], float | None], missing: str, cost: Cost | None) -> Score:
    if cost is None:
        return Score(
            value=None, note="not measured: these predictions were made before, predict again with --overwrite"
        )
    value = read(cost)
    if value is None:
        return Score(value=None, note=missing)
    return Score(value=float(value), count=cost.frames, note=cost.device)


def _metric(name: str, title: str, unit: str, read: Callable[[Cost], float | None], missing: str = "") -> Metric:
    from functools import partial

    function = partial(_column, read, missing)
    return Metric(name=f"cost_{name}", function=function, needs="cost", group="Cost", title=title, unit=unit)


COST_METRICS: list[Metric] = [
    _metric("load", "load", "s", lambda cost: cost.load_seconds),
    _metric("compute", "compute", "s", lambda cost: cost.seconds),
    _metric("compute_per_frame", "compute/frame", "s", lambda cost: cost.seconds / cost.frames),
    _metric(
        "ram", "peak RAM", "GB", lambda cost: cost.ram_bytes and cost.ram_bytes / GIGA, "this system does not tell"
    ),
    _metric(
        "gpu",
        "peak GPU",
        "GB",
        lambda cost: None if cost.gpu_bytes is None else cost.gpu_bytes / GIGA,
        "torch used no accelerator",
    ),
    _metric(
        "parameters",
        "parameters",
        "M",
        lambda cost: None if cost.parameters is None else cost.parameters / 1e6,
        "the method does not use torch",
    ),
    _metric(
        "flops",
        "FLOPs",
        "G",
        lambda cost: None if cost.flops is None else cost.flops / GIGA,
        "not counted: --flops, for methods in torch",
    ),
]
"""The note of each value is the device; its count is the frames that were shown."""
