"""What the columns of a board are: which metrics of which protocols, under which heading.

Chosen by rule from the rows that are there, so that a new metric of a default protocol is a new column without an edit.
"""

from dataclasses import dataclass, replace

from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.rows import Row

GROUPS = ("3D motion", "Depth", "Camera pose", "Points", "Cost", "Other")
COST = "cost"
"""Beginning of the names of protocols whose rows say what a method costs."""
ALSO = {"reconstruction": ("cloud_chamfer", "cloud_f_score")}
"""Protocols on the overview that are not run by default, and which of their metrics."""
SECONDS = "seconds"
SAME_AS_SECONDS = ("cost_compute",)
_NEEDS = {"depth": "Depth", "world_from_camera": "Camera pose", "points": "3D motion"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One number per method and clip: a metric, or the mean of several of one protocol."""

    protocol: str
    version: str
    metrics: tuple[str, ...]
    """Averaged within a clip; `SECONDS` stands for the time that the rows of the protocol carry."""
    group: str
    title: str
    unit: str
    better: str
    moving: bool = False
    """Over moving pixels only."""
    twin: bool = False
    """Whether the same exists over moving pixels, or over all."""

    @property
    def key(self) -> str:
        return f"{self.protocol}.{self.version}.{'+'.join(self.metrics)}"

    @property
    def frames(self) -> str:
        """What a method sees under the protocol, in words."""
        known = PROTOCOLS.get(self.protocol)
        if known is None or known.length is None:
            return "whole clip"
        return f"{known.length} {'views' if known.length == 2 else 'frames'}, {known.stride} apart"

    @property
    def arrow(self) -> str:
        return {"lower": "↓", "higher": "↑"}.get(self.better, "")


def metric_columns(rows: list[Row]) -> list[Column]:
    """A column for every protocol and metric of the rows, in the order of the registries."""
    first: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        first.setdefault((row.protocol, row.protocol_version, row.metric), row)
    protocols, metrics = list(PROTOCOLS), list(METRICS)
    order = sorted(first, key=lambda key: (_place(protocols, key[0]), key[1], _place(metrics, key[2])))
    found = [_column(first[key]) for key in order]
    names = {column.key for column in found}
    return [replace(column, twin=_twin(column).key in names) for column in found]


def _place(known: list[str], name: str) -> tuple[int, str]:
    return (known.index(name) if name in known else len(known), name)


def _column(row: Row) -> Column:
    metric = METRICS.get(row.metric)
    return Column(
        protocol=row.protocol,
        version=row.protocol_version,
        metrics=(row.metric,),
        group=_group(row),
        title=_title(row.metric),
        unit=row.unit,
        better=row.better,
        moving=metric.moving if metric else row.metric.endswith("_moving"),
    )


def _title(name: str) -> str:
    if name not in METRICS:
        return name
    title = METRICS[name].title
    return f"EPE {title}" if name.startswith("epe_") and "EPE" not in title else title


def _group(row: Row) -> str:
    if row.protocol.startswith(COST):
        return "Cost"
    if row.metric.startswith("cloud_"):
        return "Points"
    metric = METRICS.get(row.metric)
    return _NEEDS.get(metric.needs, "Other") if metric else "Other"


def _twin(column: Column) -> Column:
    """The same over moving pixels, or over all."""
    if column.moving:
        return replace(column, metrics=tuple(name.removesuffix("_moving") for name in column.metrics))
    return replace(column, metrics=tuple(f"{name}_moving" for name in column.metrics))


def overview_columns(rows: list[Row]) -> list[Column]:
    """The columns of the overview: default protocols, points and cost; the four maps of a pair are one column."""
    chosen = [column for column in metric_columns(rows) if _on_overview(column)]
    merged: dict[tuple, list[Column]] = {}
    for column in chosen:
        four = column.metrics[0].startswith("epe_p")
        merged.setdefault(
            (column.protocol, column.version, column.moving, *(() if four else column.metrics)), []
        ).append(column)
    columns = [_merge(some) for some in merged.values()]
    video = next((column for column in columns if column.protocol == "video"), None)
    if video and any(row.seconds is not None for row in rows):
        columns.append(
            replace(video, metrics=(SECONDS,), group="Cost", title="time, whole clip", unit="s", better="lower")
        )
    main = headline(columns)
    return sorted(columns, key=lambda column: (GROUPS.index(column.group), column != main))


def _on_overview(column: Column) -> bool:
    if column.group == "Cost":
        return column.metrics != SAME_AS_SECONDS
    if column.protocol in ALSO:
        return column.metrics[0] in ALSO[column.protocol]
    known = PROTOCOLS.get(column.protocol)
    return known is not None and known.default


def _merge(some: list[Column]) -> Column:
    if len(some) == 1:
        return some[0]
    return replace(
        some[0], metrics=tuple(name for column in some for name in column.metrics), title=f"EPE, {len(some)} maps"
    )


def pooled(column: Column) -> bool:
    """Whether its sums are added over clips before they are divided."""
    return column.metrics[0] in METRICS and METRICS[column.metrics[0]].pooled


def headline(columns: list[Column]) -> Column | None:
    """The column that answers which method moves points best: tracks before pairs, moving pixels, displacement first.

    The displacement error knows motion from geometry: who moves nothing scores 1, however good the geometry. Pooled before
    the mean over clips, which a clip in which hardly anything moves may decide.
    """
    motion = [column for column in columns if column.group == "3D motion"]
    order = lambda column: (  # noqa: E731
        "displacement" not in column.metrics[0],
        not pooled(column),
        not column.moving and column.twin,
        -(PROTOCOLS[column.protocol].length or 0) if column.protocol in PROTOCOLS else 0,
        -PROTOCOLS[column.protocol].stride if column.protocol in PROTOCOLS else 0,
    )
    return min(motion, key=order, default=None)
