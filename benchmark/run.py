"""Score a method on a suite: predict, write files, score the files, write rows, print the table.

    python benchmark/run.py --method still                  the committed suite `mini`, in seconds
    python benchmark/run.py --method still --suite data/demo      any folder of rendered shards
    python benchmark/run.py --method still --suite sintel --data-root DIR     a data set of others (python -m benchmark.data)
    python benchmark/run.py --method still --executor ray --address auto      on the machines of a Ray cluster
    python benchmark/run.py --list                          methods, suites, data sets, protocols
    python benchmark/run.py --method folder --predictions DIR --name MODEL            answers that lie in files
    python benchmark/run.py --method subprocess --command "run {input} {output}" --name MODEL     or come from a program

`benchmark/foreign.py` says how such files lie. A method works in a process of its own; one that dies or takes too long
costs blanks. Predictions lie in <out>/<suite>/<method>/<protocol>/<clip>.npz and are made once; running again only scores. Rows lie in
<out>/<suite>/<method>/rows.jsonl. Exit status: 0 all scored; 2 bad input, or the method failed on some clips (their rows
are blanks with the reason, all others are finished and kept); 130 interrupted.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmark.adapting import adapter_line, adapter_names
from benchmark.asking import Asking, find_executor
from benchmark.protocols import PROTOCOLS, Protocol, find_protocols
from benchmark.registry import Foreign, Method, find_method, method_names
from benchmark.rows import Row, read_rows, write_rows
from benchmark.scoring import evaluate
from benchmark.suites import facts, find_suite, frozen_names
from benchmark.table import plain_table
from vdpm import catalogue
from vdpm.errors import UserError, run_command, unknown


@dataclass(frozen=True, kw_only=True)
class Config:
    """Score a method on a suite: predict, write files, score the files, write rows, print the table."""

    method: str = ""
    """Method to score; --list shows all."""
    suite: str = "mini"
    """A frozen suite, a folder of rendered shards, or a data set as sintel or sintel:clean with --data-root."""
    data_root: Path | None = None
    """Folder of the data set that --suite names, or of several data sets by name."""
    protocols: tuple[str, ...] = ()
    """Protocols to run; those that --list marks as default when none is named."""
    out: Path = Path("runs")
    """Folder for predictions and rows."""
    workers: int = 1
    """Processes of the method, which share the clips; a cluster has one for each core."""
    executor: str = "local"
    """Where they run: local, or ray."""
    address: str | None = None
    """Of a Ray cluster, as "auto" or HOST:PORT; without, Ray is started on this machine."""
    time_limit: float = 3600.0
    """Seconds that a method may take to load, or for a clip."""
    weights: str = ""
    """File, folder or repository of weights, for methods that need some."""
    flops: bool = False
    """Count torch operations for the protocol `cost`; answers the first task of each clip twice."""
    predictions: Path | None = None
    """Folder of answers, for --method folder."""
    command: str = ""
    """Program with {input} and {output}, for --method subprocess."""
    adapter: str = ""
    """File of benchmark/adapters/ that reads what folder or program gives, unless that is our layout."""
    name: str = ""
    """What the rows call the method of folder or program, as "monst3r" or "monst3r@2" for another version of it."""
    overwrite: bool = False
    """Predict again even where files are there."""
    list: bool = False
    """Show methods, suites, data sets and protocols, and stop."""


FOREIGN = {"folder": "answers that lie in files (--predictions)", "subprocess": "answers of a program (--command)"}


def chosen_method(config: Config) -> Method:
    """The method that is meant, and its weights where it will look for them. Raises `UserError`."""
    if config.method not in FOREIGN:
        method = find_method(config.method)
        if config.weights and not method.weights:
            raise UserError(f"--weights {config.weights}: method {method.name!r} has none")
        if config.weights:
            os.environ[method.weights] = config.weights
        return method
    given = {"folder": config.predictions, "subprocess": config.command}[config.method]
    if not given or (config.method == "folder" and not Path(given).is_dir()):
        need = {"folder": "--predictions DIR", "subprocess": '--command "run {input} {output}"'}[config.method]
        raise UserError(f"--method {config.method} needs {need}, got {str(given or '')!r} (see benchmark/foreign.py)")
    if config.adapter and config.adapter not in adapter_names():
        raise unknown("adapter", config.adapter, adapter_names(), "add one as benchmark/adapters/<name>.py")
    name, _, version = (config.name or config.method).partition("@")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name in method_names():
        raise UserError(f"--name {config.name!r}: letters, digits, '_', '.', '-', and not a method of ours")
    return Method(
        name=name,
        version=version or "1",
        description=FOREIGN[config.method],
        reference=False,
        needs="",
        foreign=Foreign(
            predictions=str(config.predictions.resolve()) if config.predictions and config.method == "folder" else "",
            command=config.command,
            adapter=config.adapter,
            limit=config.time_limit,
        ),
    )


def listing() -> str:
    """What can be named on the command line."""
    methods = [find_method(name) for name in method_names()]
    wide = max(len(method.name) for method in methods) + 2
    suites = [facts(name) for name in frozen_names()]
    width = max(map(len, PROTOCOLS)) + 2
    return "\n".join(
        ["methods"]
        + [f"  {m.name:<{wide}}{m.description}{' (shown the truth)' if m.reference else ''}" for m in methods]
        + [f"  {name:<{wide}}{what}" for name, what in FOREIGN.items()]
        + ["adapters"]
        + [f"  {name:<{wide}}{adapter_line(name)}" for name in adapter_names()]
        + ["suites"]
        + [
            f"  {s['name']:<{wide}}{len(s['clips'])} clips, version {s['version']}. {s['description']}"
            + (f" (python -m benchmark.make_suite --suite {s['name']})" if "recipe" in s else "")
            for s in suites
        ]
        + ["data sets (--suite NAME --data-root DIR; python -m benchmark.data NAME tells more)"]
        + [f"  {name:<{width}}{catalogue.find(name)[0].title}" for name in catalogue.dataset_names()]
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


def check_numbers(config: Config) -> None:
    """Raise `UserError` on the first that makes no sense."""
    if config.workers < 1:
        raise UserError(f"--workers {config.workers}: one process at least")
    if not config.time_limit > 0:
        raise UserError(f"--time-limit {config.time_limit:g}: some seconds")


def main(config: Config) -> None:
    """Run one method on one suite. Raises `UserError` after everything else is finished if the method failed on some."""
    if not config.method:
        raise unknown("method", config.method, method_names(), "name one with --method")
    check_numbers(config)
    find_executor(config.executor)
    method, suite, protocols = (
        chosen_method(config),
        find_suite(config.suite, config.data_root),
        find_protocols(config.protocols),
    )
    folder = config.out / suite.name / method.name
    asking = Asking(
        workers=config.workers,
        limit=config.time_limit,
        overwrite=config.overwrite,
        flops=config.flops,
        executor=config.executor,
        address=config.address,
    )
    outcomes = list(evaluate(method, suite, protocols, folder, asking))
    rows = [row for outcome in outcomes for row in outcome.rows]
    write_rows(folder / "rows.jsonl", keep_others(folder / "rows.jsonl", rows, protocols))
    print(f"{method.name} on {suite.name} (version {suite.version}, {len(suite.clips)} clips)\n{plain_table(rows)}")
    print(f"rows: {folder / 'rows.jsonl'}")
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
