"""Kubric's own Blender view against ours on one scene: CPU seconds, memory, and nearness to a reference.

    python -m generation.bench
    python -m generation.bench --levers all

Times are CPU seconds, user and system, of all threads; a crowded machine makes them longer. A clip is the scene's
set-up, its first frame, and the others at their average. Frames between the measured ones are not rendered.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from generation.bench.levers import LEVERS, STOCK_SAMPLES
from generation.bench.measure import Cost, Task
from generation.bench.quality import psnr, ssim
from generation.worker import ONE_CORE
from vdpm.errors import UserError, run_command, unknown
from vdpm.files import replacing

US = next(iter(LEVERS))
STOCK = {US: "", "no light tree": ", no light tree"}
"""Kubric's view on this Blender, and as on that which it was made for, which had no light tree yet. What is said of them."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    resolution: int = 256
    """Width and height of the frames, pixels."""
    length: int = 24
    """Frames of the clip."""
    measured: int = 3
    """Frames that are rendered, spread over the clip."""
    samples: tuple[int, ...] = (4, 8, 16, 32, 64)
    """Samples per pixel to try."""
    reference: int = 2048
    """Samples per pixel of the reference."""
    levers: tuple[str, ...] = ()
    """Also try these settings of generation/bench/levers.py, or all, at --at samples."""
    at: tuple[int, ...] = (16,)
    """Samples per pixel for --levers."""
    index: int = 0
    """Number of the kubric_f clip."""
    out: Path | None = None
    """JSON file for the numbers."""
    keep: Path | None = None
    """Folder for the frames and costs, as npz and JSON. What lies there of the same task is not rendered again."""


def main(config: Config) -> None:
    """Measure and print."""
    frames = np.linspace(0, config.length - 1, config.measured).round().astype(int).tolist()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = config.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)

        def run(view: str, variants: list[tuple[int, str]]) -> list[tuple[Cost, dict[str, np.ndarray]]]:
            task = Task(
                view=view, variants=tuple(variants), index=config.index, length=config.length, frames=tuple(frames),
                resolution=(config.resolution, config.resolution), out=str(folder / view),
            )  # fmt: skip
            return measured(task)

        stock = [(STOCK_SAMPLES, lever) for lever in STOCK]
        kubric = run("kubric", stock)
        ours = [(samples, US) for samples in config.samples]
        ours += [(samples, lever) for samples in config.at for lever in chosen(config.levers)]
        results = run("ours", ours)
        reference = run("reference", [(config.reference, US)])[0][1]["rgb"]
    names = [f"Kubric, {samples} samples{STOCK[lever]}" for samples, lever in stock]
    names += [f"{samples} samples, {lever}" for samples, lever in ours]
    rows = [
        row(name, *result, reference, config.length) for name, result in zip(names, [*kubric, *results], strict=True)
    ]
    print(table(rows))
    print(machine(config, frames))
    if config.out:
        with replacing(config.out) as file:
            file.write(
                json.dumps({"config": {**asdict(config), "out": None, "keep": None}, "rows": rows}, indent=1).encode()
            )


def chosen(levers: tuple[str, ...]) -> list[str]:
    """The names themselves, or all there are. Raises `UserError` on one that is none."""
    every = list(LEVERS)[1:]
    for name in levers:
        if name not in (*every, "all"):
            raise unknown("lever", name, ["all", *every], "add one to generation/bench/levers.py")
    return every if "all" in levers else list(levers)


def measured(task: Task) -> list[tuple[Cost, dict[str, np.ndarray]]]:
    """A task in a process of its own, unless it was kept: cost and frames of each variant."""
    kept = Path(f"{task.out}.json")
    facts = json.loads(kept.read_text()) if kept.exists() else {}
    if facts.get("task") != json.loads(json.dumps(asdict(task))):
        facts = {"task": asdict(task), "costs": [asdict(cost) for cost in _measured(task)]}
        with replacing(kept) as file:
            file.write(json.dumps(facts, indent=1).encode())
    return [
        (Cost(**cost), dict(np.load(f"{task.out}.{number}.npz", allow_pickle=False)))
        for number, cost in enumerate(facts["costs"])
    ]


def _measured(task: Task) -> list[Cost]:
    done = subprocess.run(
        [sys.executable, "-m", "generation.bench.measuring"], input=json.dumps(asdict(task)), stdout=subprocess.PIPE,
        text=True, check=False, env={**os.environ, **ONE_CORE},
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"the view {task.view!r} ended with status {done.returncode}; its message is above")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]  # Blender says farewell too
    return [Cost(**json.loads(line)) for line in lines]


def row(name: str, cost: Cost, arrays: dict[str, np.ndarray], reference: np.ndarray, length: int) -> dict[str, Any]:
    """The numbers of one variant."""
    clip = cost.open + cost.first + (length - 1) * cost.other + length * cost.truth
    return {
        "what": name,
        "CPU s a clip": clip,
        "CPU s a frame": cost.other,
        "truth": length * cost.truth / clip,
        "wall s": cost.wall,
        "peak MB": cost.peak,
        "PSNR": psnr(arrays["rgb"], reference, np.ones(reference.shape[:3], bool)),
        "PSNR moving": psnr(arrays["rgb"], reference, arrays["moving"]),
        "SSIM": ssim(arrays["rgb"], reference),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown. The share of Kubric's time stands beside the time."""
    first = rows[0]["CPU s a clip"]
    lines = [
        "| | CPU s a clip | of Kubric's | CPU s a frame | truth | peak MB | PSNR | moving | SSIM |",
        "|---" * 9 + "|",
    ]
    lines += [
        f"| {row['what']} | {row['CPU s a clip']:.1f} | {row['CPU s a clip'] / first:.2f} | {row['CPU s a frame']:.2f} | "
        f"{row['truth']:.1%} | {row['peak MB']:.0f} | {row['PSNR']:.2f} | {row['PSNR moving']:.2f} | {row['SSIM']:.4f} |"
        for row in rows
    ]
    return "\n".join(lines)


def machine(config: Config, frames: list[int]) -> str:
    """What was measured, and on what."""
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return (
        f"kubric_f {config.index}, {config.resolution} x {config.resolution}, frames {frames} of {config.length} rendered, "
        f"reference {config.reference} samples; {len(cpus)} x {cpus[0].partition(': ')[2] if cpus else platform.processor()}"
    )


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
