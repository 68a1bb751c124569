"""Publish a run: check it, score it again from its prediction files, draw its clips, and add it to the leaderboards.

    python leaderboards/submit.py runs/mini/still           then python leaderboards/build.py
    python leaderboards/submit.py runs/mini/still --check       only say what is wrong

RUN_DIR is what `python benchmark/run.py` left: rows.jsonl, and the predictions as <protocol>/<clip>.npz. A file SHA256SUMS
beside them (made by sha256sum) is checked. A number that is not what the predictions give is found out. Exit status: 0 it
was added; 2 it was not, and all that is wrong is listed.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmark.registry import method_names
from benchmark.rows import Row
from leaderboards.checking import Submission, check
from leaderboards.drill import drill
from leaderboards.publication import Publication, write_publication
from leaderboards.words import slug
from vdpm.errors import UserError, run_command
from vdpm.files import replacing, sha256

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Config:
    """Publish a run."""

    run: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders <out>/<suite>/<method> of runs."""
    suite: Path | None = None
    """Folder of shards, for a run on clips that are no frozen suite."""
    data_root: Path | None = None
    """Folder of other people's data sets, for a run on one of them."""
    sample: int = 0
    """Clips that are scored again, chosen at random; 0 is all of them."""
    seed: int = 0
    """Of that choice."""
    check: bool = False
    """Only check."""
    results: Path = HERE / "results"
    """Folder that gets the rows and their record."""
    media: Path = HERE / "site" / "clips"
    """Folder that gets pictures and point clouds."""


def add(submission: Submission, config: Config) -> Path:
    """Write rows, record and drawings of a run that was found right."""
    assert submission.suite and submission.method
    row = submission.rows[0]
    target = config.results / f"{slug(row.suite)}-{slug(row.method)}.jsonl"
    splits = drill(submission, config.media)
    with replacing(target) as file:
        file.write((submission.folder / "rows.jsonl").read_bytes())
    publication = Publication(
        suite=row.suite, suite_version=row.suite_version, method=row.method, method_version=row.method_version,
        rows_sha256=sha256(target), predictions=submission.predictions, rescored=submission.rescored,
        command=_command(submission.rows), device=_device(submission), weights=submission.weights, splits=splits,
    )  # fmt: skip
    write_publication(target.with_suffix(".json"), publication)
    return target


def _command(rows: list[Row]) -> str:
    """What makes such rows again; a method that is no file of ours comes as a folder of answers."""
    method = shlex.quote(rows[0].method)
    named = method if rows[0].method in method_names() else f"folder --predictions DIR --name {method}"
    protocols = " ".join(dict.fromkeys(row.protocol for row in rows))
    return f"python benchmark/run.py --method {named} --suite {shlex.quote(rows[0].suite)} --protocols {protocols}"


def _device(submission: Submission) -> str:
    """As the rows of the protocol `cost` tell it."""
    told = {row.note for row in submission.rows if row.protocol == "cost" and row.value is not None and row.note}
    return ", ".join(sorted(told)) or "not stated"


def main(config: Config) -> None:
    """Check runs and add those that are right. Raises `UserError` after all were looked at if any is not."""
    if not config.run or config.sample < 0:
        raise UserError("name runs, as in python leaderboards/submit.py runs/mini/still; --sample is 0 or more")
    refused = []
    for folder in config.run:
        submission = check(folder, config.suite, config.sample, np.random.default_rng(config.seed), config.data_root)
        if submission.problems:
            refused.append(folder)
            print(
                f"{folder} is refused:",
                *(f"  - {problem}" for problem in submission.problems),
                sep="\n",
                file=sys.stderr,
            )
        elif config.check:
            print(f"{folder}: right, {len(submission.rescored)} clips scored again")
        else:
            print(f"{folder}: right, {len(submission.rescored)} clips scored again, added as {add(submission, config)}")
    if refused:
        raise UserError(f"{len(refused)} of {len(config.run)} runs refused, see above; nothing of them was added")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))))
