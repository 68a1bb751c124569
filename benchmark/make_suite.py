"""Render the clips of a suite that the repository holds as a list, and verify them.

    python -m benchmark.make_suite --suite kubric_f_val
    python -m benchmark.make_suite --suite all

The same command goes on after an interruption, and leaves suites alone that are there as frozen, whatever version of the
generator made them. Needs what rendering needs (extra `generation`).
"""

import subprocess
import sys
from dataclasses import dataclass
from os import cpu_count

import tyro

from benchmark import listed, suites
from vdpm.errors import UserError, run_command, unknown


@dataclass(frozen=True, kw_only=True)
class Config:
    """Render the clips of a listed suite."""

    suite: str
    """Its name, or all."""
    workers: int = cpu_count() or 1
    """Processes, each on one core; no influence on the result."""


def render(name: str, workers: int) -> None:
    """Render one suite if it is not there. Raises `UserError` when rendering fails or gives other clips."""
    place = listed.RENDERED / name
    if not is_there(name):
        recipe = suites.facts(name)["recipe"]
        flags = [part for key, value in recipe.items() for part in (f"--{key}", str(value))]
        done = subprocess.run(
            [sys.executable, "-m", "generation.render", "--out", str(place), "--workers", str(workers), *flags]
        )
        if done.returncode:
            raise UserError(f"suite {name!r}: rendering ended with status {done.returncode}, its own message is above")
    suite = suites.find_suite(name)
    print(f"{name}: {len(suite.clips)} clips in {place}, as frozen (version {suite.version})")


def is_there(name: str) -> bool:
    """Whether all clips of a suite are rendered, and as frozen."""
    try:
        return bool(suites.find_suite(name))
    except UserError:
        return False


def main(config: Config) -> None:
    """Render one suite or all."""
    names = [name for name in suites.frozen_names() if "recipe" in suites.facts(name)]
    if config.suite not in (*names, "all"):
        raise unknown("suite", config.suite, [*names, "all"], "those that the repository holds whole need no rendering")
    for name in names if config.suite == "all" else [config.suite]:
        render(name, config.workers)


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
