"""All built-in methods on all built-in suites: one table a suite, rows and predictions beside it.

    python -m benchmark.everything

Suites that are lists take part once they are rendered (`python -m benchmark.make_suite --suite all`), methods that need weights once the
variable that names them is set. What was answered before is not asked again; the same command goes on. Each process has one
method on one suite, from questions to scores; seconds are those of a machine that does as many things at once as --workers says.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import tyro
from tqdm import tqdm

from benchmark.asking import Asking
from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS, Protocol
from benchmark.registry import Method, find_method, method_names
from benchmark.rows import Row, write_rows
from benchmark.scoring import evaluate
from benchmark.suites import Suite, facts, find_suite, frozen_names
from benchmark.table import ARROWS, number, summarise
from vdpm.errors import UserError, run_command
from vdpm.files import replacing

COLUMNS = (
    ("video", "depth_absrel", "AbsRel"),
    ("video", "pose_ate", "ATE [m]"),
    ("vdpm_pair8", "epe_p0_t1", "P0(t1)"),
    ("vdpm_pair8", "epe_p0_t1_moving", "P0(t1) mov"),
    ("vdpm_track10", "epe_track", "track"),
    ("vdpm_track10", "epe_track_moving", "track mov"),
    ("vdpm_pair8", "displacement_error_pooled", "disp pair8"),
    ("vdpm_track10", "displacement_error_pooled", "disp track"),
    ("tapvid3d", "tapvid3d_median_apd", "APD"),
    ("syn4d", "syn4d_score", "Syn4D"),
    ("cost", "cost_compute", "s/clip"),
)
"""Of each table: protocol, metric, heading. All else is in the rows."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """All built-in methods on all built-in suites."""

    out: Path = Path("runs")
    """Folder for predictions, rows, and table.txt."""
    suites: tuple[str, ...] = ()
    """Some suites only."""
    methods: tuple[str, ...] = ()
    """Some methods only."""
    workers: int = cpu_count() or 1
    """Methods at a time."""
    time_limit: float = 600.0
    """Seconds that a method may take for a clip."""


def able(name: str) -> Method | None:
    """A method that can start here, as far as its file says."""
    method = find_method(name)
    return method if not method.needs or (method.weights and os.environ.get(method.weights)) else None


def rendered(name: str) -> Suite | None:
    """A suite whose clips are here; says so when they are not."""
    try:
        return find_suite(name)
    except UserError as error:
        if "recipe" not in facts(name):
            raise
        print(f"skipped: {error}")
        return None


def chosen() -> list[Protocol]:
    """The protocols of the columns, in the order of the registry."""
    named = {protocol for protocol, _, _ in COLUMNS}
    return [protocol for protocol in PROTOCOLS.values() if protocol.name in named or protocol.default]


def run(method: Method, suite: Suite, config: Config) -> list[Row]:
    """The rows of one method on one suite; failures are blanks in them."""
    folder = config.out / suite.name / method.name
    asking = Asking(limit=config.time_limit, quiet=True)
    rows = [row for outcome in evaluate(method, suite, chosen(), folder, asking) for row in outcome.rows]
    write_rows(folder / "rows.jsonl", rows)
    return rows


def table(suite: str, rows: list[Row]) -> str:
    """Methods as lines, means over clips as columns; with ? where not all clips have a value."""
    means = {(mean.method, mean.protocol, mean.metric): mean for mean in summarise(rows)}
    methods = list(dict.fromkeys(row.method for row in rows))
    clips = len({row.clip for row in rows})
    heads = [f"{title} {ARROWS[METRICS[metric].better]}" for _, metric, title in COLUMNS]
    lines = [f"{suite}, {clips} clips", f"{'':<18}" + "".join(f"{head:>14}" for head in heads)]
    for method in methods:
        cells = []
        for protocol, metric, _ in COLUMNS:
            mean = means.get((method, protocol, metric))
            partial = mean is not None and 0 < mean.scored < mean.clips
            cells.append(number(mean.mean if mean else None) + ("?" if partial else ""))
        shown = any(row.reference for row in rows if row.method == method)
        lines.append(f"{method + ('*' if shown else ''):<18}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def longest_first(suites: list[Suite]) -> list[Suite]:
    """Those of long clips first: begun last, they would be waited for."""
    frames = {suite.name: facts(suite.name).get("recipe", {}).get("frames", 0) for suite in suites}
    return sorted(suites, key=lambda suite: -frames[suite.name])


def tables_of(suites: list[Suite], methods: list[Method], config: Config) -> Iterator[str]:
    """The tables as they are finished."""
    with (
        ProcessPoolExecutor(config.workers) as pool,
        tqdm(total=len(suites) * len(methods), unit="run", disable=None) as progress,
    ):
        runs = {suite.name: [pool.submit(run, method, suite, config) for method in methods] for suite in suites}
        for future in (each for some in runs.values() for each in some):
            future.add_done_callback(lambda _: progress.update())
        try:
            for name, futures in runs.items():
                yield table(name, [row for future in futures for row in future.result()])
        finally:
            pool.shutdown(cancel_futures=True)


def main(config: Config) -> None:
    """Print the tables as they are finished, and write them to one file."""
    if config.workers < 1:
        raise UserError(f"--workers {config.workers}: one process at least")
    suites = [suite for name in config.suites or frozen_names() if (suite := rendered(name)) is not None]
    methods = [method for name in config.methods or method_names() if (method := able(name)) is not None]
    tables = []
    for text in tables_of(longest_first(suites), methods, config):
        tables.append(text)
        tqdm.write(f"\n{text}\n")
    told = (
        "* is shown some of the truth; ? not all clips have a value; – a blank; disp is the displacement error, pooled over "
        "clips; s/clip is that of `video`"
    )
    with replacing(config.out / "table.txt") as file:
        file.write("\n\n".join([*tables, told, ""]).encode())
    print(f"{told}\n{config.out / 'table.txt'}")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
