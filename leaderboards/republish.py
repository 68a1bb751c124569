"""Make everything that is published again: run methods on suites, check and add the runs, build the site.

    python leaderboards/republish.py                        every built-in method on every frozen suite
    python leaderboards/republish.py --methods vdpm             only this one, everything else stays

Predictions that lie in <runs> already are only scored again. A method that cannot start here (no weights, no package) is
left out and named at the end; what was published of it before stays.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmark.protocols import PROTOCOLS
from benchmark.registry import method_names
from benchmark.suites import frozen_names
from leaderboards.columns import ALSO, COST
from vdpm.errors import UserError, run_command, unknown

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Make everything that is published again."""

    methods: tuple[str, ...] = ()
    """Methods to run; all for none."""
    suites: tuple[str, ...] = ()
    """Frozen suites to run them on; all for none."""
    runs: Path = Path("runs")
    """Folder for predictions and rows."""


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


def main(config: Config) -> None:
    """Run, submit, build. Raises `UserError` at the end when something was left out."""
    for kind, named, known in (("method", config.methods, method_names()), ("suite", config.suites, frozen_names())):
        for name in named:
            if name not in known:
                raise unknown(kind, name, known, "leave the flag out for all")
    left_out = []
    for suite in config.suites or frozen_names():
        for method in config.methods or method_names():
            folder = run(method, suite, config.runs)
            if folder is None or not python("leaderboards/submit.py", folder):
                left_out.append(f"{method} on {suite}")
    if not python("leaderboards/build.py"):
        raise UserError("the site was not built, see above")
    if left_out:
        raise UserError(f"left out, see above: {', '.join(left_out)}; all else is published")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
