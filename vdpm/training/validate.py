"""Scores of weights by the benchmark's own code, for the curve of a run.

The benchmark runs as a process of its own, as anyone would run it: what is validated is a checkpoint and not the network
in memory, training code and benchmark do not know each other, and a crash of one leaves the other alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vdpm.errors import UserError

VALIDATION = "validation.jsonl"
"""In the folder of a run: a line of JSON for each checkpoint that was scored, `step` and the scores."""
PROTOCOLS = ("video", "vdpm_pair2", "vdpm_pair8", "vdpm_track10")


def score(weights: Path, suite: str = "mini", protocols: tuple[str, ...] = PROTOCOLS) -> dict[str, float]:
    """Means over the clips of a suite by "protocol/metric"; what is blank on all clips is left out.

    `suite` is a frozen one or a folder of shards. Raises `UserError` with the last words of the benchmark if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="validation-") as out:
        command = [sys.executable, "-m", "benchmark.run", "--method", "vdpm", "--suite", suite, "--out", out]
        quiet = {**os.environ, "VDPM_WEIGHTS": str(weights.resolve()), "TQDM_DISABLE": "1"}
        run = subprocess.run([*command, "--protocols", *protocols], env=quiet, capture_output=True, text=True)
        rows = [json.loads(line) for path in Path(out).rglob("rows.jsonl") for line in path.read_text().splitlines()]
    if run.returncode or not rows:
        said = (run.stderr.strip() or run.stdout.strip() or "nothing").splitlines()[-1]
        raise UserError(f"cannot validate {weights}: benchmark.run ended with status {run.returncode}, saying: {said}")
    return means(rows)


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean values of rows of the benchmark by "protocol/metric"; rows that have a weight count by it."""
    values: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["value"] is not None:
            pair = float(row["value"]), float(row.get("weight") or 1.0)
            values.setdefault(f"{row['protocol']}/{row['metric']}", []).append(pair)
    return {name: sum(v * w for v, w in found) / sum(w for _, w in found) for name, found in values.items()}


def read_scores(run: Path) -> list[dict[str, Any]]:
    """The validations of a run so far, by step; a line that was cut off is left out."""
    path = run / VALIDATION
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return sorted((json.loads(line) for line in lines if line.endswith("\n")), key=lambda row: row["step"])


def validate(run: Path, checkpoint: Path, suite: str = "mini") -> dict[str, Any]:
    """Score a checkpoint of a run and add the scores to its file; a checkpoint that is there is not scored again."""
    step = int(checkpoint.name)
    for row in read_scores(run):
        if row["step"] == step and row["suite"] == suite:
            return row
    row = {"step": step, "suite": suite, **score(checkpoint, suite)}
    with (run / VALIDATION).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row
