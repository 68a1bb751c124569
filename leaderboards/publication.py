"""The record beside published rows: how they were made, from which prediction files, and that nobody has edited them since.

`results/<suite>-<method>.jsonl` are the rows, `results/<suite>-<method>.json` is this record, written by `submit.py`.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from vdpm.errors import UserError
from vdpm.files import replacing, sha256

Bins = dict[str, list[list[float]]]
"""For each clip [sum of errors, pixels] of every bin."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is known of a published run beside its rows."""

    suite: str
    suite_version: str
    method: str
    method_version: str
    rows_sha256: str
    """Of the file of rows: an edited number is found out."""
    predictions: dict[str, str]
    """SHA-256 of every prediction file by its place in the run."""
    rescored: list[str]
    """Clips whose every number was computed again from these files."""
    command: str
    device: str
    weights: str
    """Name and SHA-256 of the weights; "" for none."""
    splits: dict[str, Bins] = field(default_factory=dict)
    """Where the errors come from (`splits.py`)."""


def write_publication(path: Path, publication: Publication) -> None:
    """Write the record: numbers as short as they read back, one clip a line."""
    facts = asdict(publication)
    splits = facts.pop("splits")
    text = json.dumps(facts, ensure_ascii=False, indent=1)[:-2] + ',\n "splits": {'
    parts = [f"\n  {json.dumps(name)}: {{{_clips(bins)}\n  }}" for name, bins in splits.items()]
    with replacing(path) as file:
        file.write((text + ",".join(parts) + "\n }\n}\n").encode())


def _clips(bins: Bins) -> str:
    return ",".join(
        f"\n   {json.dumps(clip)}: {json.dumps(values, separators=(',', ':'))}" for clip, values in bins.items()
    )


def read_publication(path: Path) -> Publication:
    """Read a record. Raises `UserError` when it is none."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        names = {each.name for each in fields(Publication)}
        if set(facts) != names:
            raise ValueError(f"differs in {', '.join(sorted(names ^ set(facts)))}")
        return Publication(**facts)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not the record of a publication ({error}); submit the run again") from error


def publications(results: Path) -> dict[tuple[str, str], Publication]:
    """All records by suite and method. Raises `UserError` for rows that were never checked, or changed since."""
    found = {}
    for rows in sorted(results.glob("*.jsonl")):
        if not rows.with_suffix(".json").exists():
            raise UserError(
                f"{rows} was never checked: publish the run with python leaderboards/submit.py RUN_DIR, or name unpublished "
                "rows with --rows"
            )
    for path in sorted(results.glob("*.json")):
        publication, rows = read_publication(path), path.with_suffix(".jsonl")
        if not rows.exists() or sha256(rows) != publication.rows_sha256:
            raise UserError(
                f"{rows} is not what was checked when it was submitted: a number was edited, or the run is another; "
                "submit the run again with python leaderboards/submit.py"
            )
        found[publication.suite, publication.method] = publication
    return found
