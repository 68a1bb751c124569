"""Make everything that is published again: run methods on suites, check and add the runs, build the site.

    python leaderboards/republish.py                        every built-in method on every frozen suite
    python leaderboards/republish.py --methods vdpm             only this one, everything else stays

Runs are made beside each other and added one by one. Predictions that lie in <runs> already are only scored again. Suites
that are lists have to be rendered (`python -m benchmark.make_suite --suite all`), methods without weights of their own take
part once the variable that names them is set. What cannot be published is named at the end; what was published of it before
stays.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import tyro

from benchmark.protocols import PROTOCOLS
from benchmark.registry import find_method, method_names
from benchmark.suites import facts, frozen_names
from leaderboards.columns import ALSO, COST
from vdpm.errors import UserError, run_command, unknown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


@dataclass(frozen=True, kw_only=True)
class Config:
    """Make everything that is published again."""

    methods: tuple[str, ...] = ()
    """Methods to run; all for none."""
    suites: tuple[str, ...] = ()
    """Frozen suites to run them on; all for none."""
    runs: Path = Path("runs")
    """Folder for predictions and rows."""
    workers: int = cpu_count() or 1
    """Runs at a time."""
    results: Path = HERE / "results"
    """Folder that gets rows and their records."""
    out: Path = HERE / "site"
    """Folder that gets the site."""


def published_protocols() -> list[str]:
    """The default protocols and what else the overview shows."""
    return [name for name, p in PROTOCOLS.items() if p.default or name in ALSO or name.startswith(COST)]


def python(*arguments: object) -> bool:
    """Run one of our commands. Returns whether it ended well."""
    print("$ python", *arguments, flush=True)
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT).returncode == 0


def run(method: str, suite: str, runs: Path) -> Path | None:
    """One method on one suite. Returns the folder of the run, None when the method did not start."""
    folder = runs.resolve() / suite / method
    rows = folder / "rows.jsonl"
    before = rows.stat().st_mtime_ns if rows.exists() else 0
    python("benchmark/run.py", "--method", method, "--suite", suite, "--protocols", *published_protocols(),
           "--out", runs.resolve())  # fmt: skip
    return folder if rows.exists() and rows.stat().st_mtime_ns > before else None


def ready(name: str) -> bool:
    """Whether a method has the weights that it needs."""
    method = find_method(name)
    return not method.needs or bool(os.environ.get(method.weights))


def plan(config: Config) -> list[tuple[str, str]]:
    """Methods and suites to run, suites of long clips first: begun last, they would be waited for."""
    methods = config.methods or [name for name in method_names() if ready(name)]
    suites = config.suites or frozen_names()
    frames = {name: facts(name).get("recipe", {}).get("frames", 0) for name in suites}
    return [(method, suite) for suite in sorted(suites, key=lambda name: -frames[name]) for method in methods]


def main(config: Config) -> None:
    """Run, submit, build. Raises `UserError` at the end when something was left out."""
    for kind, named, known in (("method", config.methods, method_names()), ("suite", config.suites, frozen_names())):
        for name in named:
            if name not in known:
                raise unknown(kind, name, known, "leave the flag out for all")
    if config.workers < 1:
        raise UserError(f"--workers {config.workers}: one run at least")
    results, site = config.results.resolve(), config.out.resolve()
    wanted, left_out = plan(config), []
    with ThreadPoolExecutor(config.workers) as pool:
        runs = [pool.submit(run, method, suite, config.runs) for method, suite in wanted]
        for (method, suite), made in zip(wanted, runs, strict=True):
            folder = made.result()
            added = folder and python("leaderboards/submit.py", folder, "--results", results, "--media", site / "clips")
            left_out += [] if added else [f"{method} on {suite}"]
    if not python("leaderboards/build.py", "--results", results, "--out", site, "--media", site / "clips"):
        raise UserError("the site was not built, see above")
    if left_out:
        raise UserError(f"left out, see above: {', '.join(left_out)}; all else is published")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
