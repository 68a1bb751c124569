"""Score a method on a suite: predict, write files, score the files, write rows, print the table.

    python benchmark/run.py --method still                  the committed suite `mini`, in seconds
    python benchmark/run.py --method still --suite data/demo      any folder of rendered shards
    python benchmark/run.py --list                          methods, suites, protocols

Predictions lie in <out>/<suite>/<method>/<protocol>/<clip>.npz and are made once; running again only scores. Rows lie in
<out>/<suite>/<method>/rows.jsonl. Exit status: 0 all scored; 2 bad input, or the method failed on some clips (their rows
are blanks with the reason, all others are finished and kept); 130 interrupted.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmark.protocols import PROTOCOLS, Protocol, find_protocols
from benchmark.registry import find_method, method_names
from benchmark.rows import Row, read_rows, write_rows
from benchmark.scoring import evaluate
from benchmark.suites import find_suite, frozen_names
from benchmark.table import plain_table
from vdpm.errors import UserError, run_command, unknown

RESULTS = Path(__file__).resolve().parents[1] / "leaderboards" / "results"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Score a method on a suite: predict, write files, score the files, write rows, print the table."""

    method: str = ""
    """Method to score; --list shows all."""
    suite: str = "mini"
    """A frozen suite, or a folder of rendered shards."""
    protocols: tuple[str, ...] = ()
    """Protocols to run; those that --list marks as default when none is named."""
    out: Path = Path("runs")
    """Folder for predictions and rows."""
    overwrite: bool = False
    """Predict again even where files are there."""
    publish: bool = False
    """Also copy the rows to leaderboards/results/, from which the leaderboard is built."""
    list: bool = False
    """Show methods, suites and protocols, and stop."""


def listing() -> str:
    """What can be named on the command line."""
    methods = [find_method(name) for name in method_names()]
    suites = [find_suite(name) for name in frozen_names()]
    width = max(map(len, PROTOCOLS)) + 2
    return "\n".join(
        ["methods"]
        + [f"  {m.name:<14}{m.description}{' (shown the truth)' if m.reference else ''}" for m in methods]
        + ["suites"]
        + [f"  {s.name:<14}{len(s.clips)} clips, version {s.version}. {s.description}" for s in suites]
        + ["protocols"]
        + [f"  {p.name:<{width}}{p.title}{'' if p.default else ' (if named)'}" for p in PROTOCOLS.values()]
    )


def keep_others(path: Path, rows: list[Row], chosen: list[Protocol]) -> list[Row]:
    """New rows plus the earlier ones of protocols that were not run again, versions being the same."""
    names = {protocol.name for protocol in chosen}
    current = {(row.suite_version, row.method_version) for row in rows}
    earlier = read_rows(path) if path.exists() and names != set(PROTOCOLS) else []
    kept = [row for row in earlier if row.protocol not in names]
    return [row for row in kept if (row.suite_version, row.method_version) in current] + rows


def main(config: Config) -> None:
    """Run one method on one suite. Raises `UserError` after everything else is finished if the method failed on some."""
    if not config.method:
        raise unknown("method", config.method, method_names(), "name one with --method")
    method, suite, protocols = find_method(config.method), find_suite(config.suite), find_protocols(config.protocols)
    folder = config.out / suite.name / method.name
    outcomes = list(evaluate(method, suite, protocols, folder, config.overwrite))
    rows = [row for outcome in outcomes for row in outcome.rows]
    write_rows(folder / "rows.jsonl", keep_others(folder / "rows.jsonl", rows, protocols))
    print(f"{method.name} on {suite.name} (version {suite.version}, {len(suite.clips)} clips)\n{plain_table(rows)}")
    print(f"rows: {folder / 'rows.jsonl'}")
    if config.publish:
        published = RESULTS / f"{suite.name}-{method.name}.jsonl"
        write_rows(published, read_rows(folder / "rows.jsonl"))
        print(f"published: {published}; now run python leaderboards/build.py")
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    if failures:
        raise UserError(f"{method.name} failed on {len(failures)} of {len(outcomes)} cases, first: {failures[0]}")


def command() -> None:
    config = tyro.cli(Config, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    if config.list:
        print(listing())
    else:
        main(config)


if __name__ == "__main__":
    run_command(command)
