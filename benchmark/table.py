"""Rows to means: the aggregation that the command line and the leaderboard share."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmark.metrics import METRICS, MIX_UP
from benchmark.protocols import PROTOCOLS
from benchmark.rows import Row

ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True, kw_only=True)
class Mean:
    """One metric of one method under one protocol, over the clips of a suite."""

    suite: str
    suite_version: str
    protocol: str
    protocol_version: str
    method: str
    method_version: str
    reference: bool
    metric: str
    unit: str
    better: str
    mean: float | None
    """None when every clip is a blank."""
    scored: int
    """Clips that have a value."""
    clips: int
    note: str
    """The distinct reasons of the blanks, and a warning of values that are likely a mix-up."""


_KEYS = ["suite", "suite_version", "protocol", "protocol_version", "method", "method_version", "reference", "metric",
         "unit", "better"]  # fmt: skip


def summarise(rows: list[Row]) -> list[Mean]:
    """Means over clips, different versions kept apart, in the order of the rows.

    Clips count alike, but under a protocol whose mean is over pixels they count by the pixels of their score.
    """
    frame = pd.DataFrame([vars(row) for row in rows]).astype({"value": float})
    told = frame["value"].isna() | frame["note"].str.contains(MIX_UP, regex=False)
    frame["note"] = frame["note"].where(told, "")
    pixels = [name for name, protocol in PROTOCOLS.items() if protocol.mean == "pixel"]
    frame["weight"] = frame["count"].where(frame["protocol"].isin(pixels), 1).where(frame["value"].notna(), 0)
    frame["weighted"] = frame["weight"] * frame["value"]
    grouped = frame.groupby(_KEYS, sort=False)
    means = grouped.agg(
        plain=("value", "mean"), weighted=("weighted", "sum"), weight=("weight", "sum"), scored=("value", "count"),
        clips=("value", "size"), note=("note", _distinct),
    ).reset_index()  # fmt: skip
    return [_mean(fields, fields["protocol"] in pixels) for fields in means.astype(object).to_dict(orient="records")]


def _mean(fields: dict[Any, Any], over_pixels: bool) -> Mean:
    plain, weighted, weight = (fields.pop(name) for name in ("plain", "weighted", "weight"))
    value = weighted / weight if over_pixels and weight else plain
    return Mean(**{**fields, "mean": float(value) if fields["scored"] else None})


def _distinct(notes: pd.Series) -> str:
    return "; ".join(note for note in dict.fromkeys(notes) if note)


def plain_table(rows: list[Row]) -> str:
    """The means of one method as text for a terminal: a line per metric, its moving twin beside it."""
    lines = [f"  {'mean over clips':<16}{'all pixels':>12}{'clips':>8}{'moving only':>12}{'clips':>8}"]
    means = {(mean.protocol, mean.metric): mean for mean in summarise(rows)}
    protocol = ""
    for mean in means.values():
        metric = METRICS[mean.metric]
        if metric.moving:
            continue
        if mean.protocol != protocol:
            lines.append(protocol := mean.protocol)
        label = f"{metric.title} {ARROWS[mean.better]}" + (f" [{mean.unit}]" if mean.unit else "")
        twin = means.get((mean.protocol, f"{mean.metric}_moving"))
        lines.append(f"  {label:<16}{_cell(mean)}{_cell(twin) if twin else ''}".rstrip())
    blanks = [f"  {mean.protocol} {mean.metric}: {mean.note}" for mean in means.values() if mean.note]
    return "\n".join([*lines, *(["blanks and doubts:", *blanks] if blanks else [])])


def _cell(mean: Mean) -> str:
    return f"{number(mean.mean):>12}{f'{mean.scored}/{mean.clips}':>8}"


def number(value: float | None) -> str:
    """Four decimals, or four digits when large; an en dash for a blank."""
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3e}"
