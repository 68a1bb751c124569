"""Result rows: one JSON line per clip, protocol and metric, with all that is needed to trust it later."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

from vdpm.errors import UserError
from vdpm.files import replacing


@dataclass(frozen=True, kw_only=True)
class Row:
    """One score of one method on one clip."""

    suite: str
    suite_version: str
    protocol: str
    protocol_version: str
    clip: str
    family: str
    method: str
    method_version: str
    reference: bool
    """Whether the method was shown the truth."""
    metric: str
    value: float | None
    """None is a blank: not claimed, not defined here, or failed."""
    note: str
    """The reason of a blank, or what to know about the value."""
    unit: str
    better: str
    count: int
    """Pixels or poses that the value is a mean over."""
    seconds: float | None
    """That the method took for this clip and protocol, loading excluded."""
    commit: str
    date: str
    """UTC, YYYY-MM-DD, of scoring."""
    weight: float | None = None
    """What the value is a share of, where the metric is pooled; other rows do without."""


_KINDS: dict[str, tuple[type, ...]] = {
    "value": (float, int, type(None)),
    "seconds": (float, int, type(None)),
    "weight": (float, int, type(None)),
    "count": (int,),
    "reference": (bool,),
}


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines, all of them or none. Raises `UserError` when the folder or disk refuses."""
    lines = [json.dumps(_facts(row), ensure_ascii=False, allow_nan=False) for row in rows]
    with replacing(path) as file:
        file.write("".join(line + "\n" for line in lines).encode())


def _facts(row: Row) -> dict[str, object]:
    return {name: value for name, value in asdict(row).items() if (name, value) != ("weight", None)}


def read_rows(path: Path) -> list[Row]:
    """Read rows back. Raises `UserError` naming file and line on anything that is not a row."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read rows {path}: {error}; name a rows.jsonl that benchmark/run.py wrote") from error
    return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _row(line: str, place: str) -> Row:
    try:
        facts = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
        raise UserError(f"{place} is not a result row ({error}); delete the file and score again") from error
    names = {field.name for field in fields(Row)}
    if not isinstance(facts, dict) or set(facts) | {"weight"} != names:
        got = set(facts) if isinstance(facts, dict) else set()
        raise UserError(
            f"{place} is not a result row (differs in {', '.join(sorted(names ^ got))}); delete the file and score again"
        )
    wrong = [name for name, value in facts.items() if not isinstance(value, _KINDS.get(name, (str,)))]
    if wrong:
        raise UserError(
            f"{place} is not a result row ({wrong[0]} is {facts[wrong[0]]!r}); delete the file and score again"
        )
    return Row(**facts)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


@cache
def commit() -> str:
    """The commit of this code, with "+dirty" when a tracked file differs from it; "unknown" outside git.

    Published rows and pages are results, not code: publishing one method does not make the next one dirty.
    """
    git = ["git", "-C", str(Path(__file__).parents[1])]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "-uno", "--", ":!leaderboards/results", ":!leaderboards/site"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+dirty" if changes.stdout.strip() else "")
