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


def weight_of(row: Row) -> float:
    """What a clip counts in a mean: like all others, or by its pixels where the protocol says so; a metric that is pooled
    by its weight, which gives the ratio of the sums over all clips."""
    metric, protocol = METRICS.get(row.metric), PROTOCOLS.get(row.protocol)
    if metric and metric.pooled:
        return row.weight or 0.0
    return float(row.count) if protocol and protocol.mean == "pixel" else 1.0


def summarise(rows: list[Row]) -> list[Mean]:
    """Means over clips, different versions kept apart, in the order of the rows.

    A clip counts as `weight_of` says.
    """
    frame = pd.DataFrame([vars(row) for row in rows]).astype({"value": float})
    told = frame["value"].isna() | frame["note"].str.contains(MIX_UP, regex=False)
    frame["note"] = frame["note"].where(told, "")
    frame["weight"] = [weight_of(row) if row.value is not None else 0.0 for row in rows]
    frame["weighted"] = frame["weight"] * frame["value"]
    grouped = frame.groupby(_KEYS, sort=False)
    means = grouped.agg(
        weighted=("weighted", "sum"), weight=("weight", "sum"), scored=("value", "count"),
        clips=("value", "size"), note=("note", _distinct),
    ).reset_index()  # fmt: skip
    return [_mean(fields) for fields in means.astype(object).to_dict(orient="records")]


def _mean(fields: dict[Any, Any]) -> Mean:
    weighted, weight = fields.pop("weighted"), fields.pop("weight")
    return Mean(**fields, mean=float(weighted / weight) if weight else None)


def _distinct(notes: pd.Series) -> str:
    return "; ".join(note for note in dict.fromkeys(notes) if note)


def plain_table(rows: list[Row]) -> str:
    """The means of one method as text for a terminal: a line per metric, its moving twin beside it."""
    wide = max((len(_label(row.metric)) for row in rows if not METRICS[row.metric].moving), default=0) + 2
    lines = [f"  {'mean over clips':<{wide}}{'all pixels':>12}{'clips':>8}{'moving only':>12}{'clips':>8}"]
    means = {(mean.protocol, mean.metric): mean for mean in summarise(rows)}
    protocol = ""
    for mean in means.values():
        metric = METRICS[mean.metric]
        if metric.moving:
            continue
        if mean.protocol != protocol:
            lines.append(protocol := mean.protocol)
        twin = means.get((mean.protocol, f"{mean.metric}_moving"))
        lines.append(f"  {_label(mean.metric):<{wide}}{_cell(mean)}{_cell(twin) if twin else ''}".rstrip())
    blanks = [f"  {mean.protocol} {mean.metric}: {mean.note}" for mean in means.values() if mean.note]
    return "\n".join([*lines, *(["blanks and doubts:", *blanks] if blanks else [])])


def _label(name: str) -> str:
    metric = METRICS[name]
    return f"{metric.title} {ARROWS[metric.better]}" + (f" [{metric.unit}]" if metric.unit else "")


def _cell(mean: Mean) -> str:
    return f"{number(mean.mean):>12}{f'{mean.scored}/{mean.clips}':>8}"


def number(value: float | None) -> str:
    """Four decimals, or four digits when large; an en dash for a blank."""
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3e}"
