"""Tables of studies, from what each of their runs was measured as."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vdpm.files import replacing

MEASURED = "measured.json"
"""In the folder of a run."""
COLUMNS = {
    "displacement_error": "displacement error, moving pixels",
    "match_accuracy": "matches within a feature",
    "match_moving": "of moving pixels",
    "depth_absrel": "AbsRel of depth",
    "point_error": "point error",
}
"""Scores that a table starts with, and what they are called; scores of the benchmark follow under their names."""
BENCHMARK = (
    "vdpm_pair2/displacement_error_pooled",
    "vdpm_pair8/displacement_error_pooled",
    "video/depth_absrel",
    "video/pose_ate",
)


def keep(folder: Path, row: dict[str, Any]) -> None:
    """Write down what a run was measured as."""
    with replacing(folder / MEASURED) as file:
        file.write(json.dumps(row, indent=1).encode())


def measured(folder: Path, steps: int) -> dict[str, Any] | None:
    """What a run of so many steps was measured as, if it was."""
    path = folder / MEASURED
    row = json.loads(path.read_text()) if path.exists() else None
    return row if row and row["steps"] == steps else None


def write(out: Path, study: str, names: Sequence[str], steps: int) -> str:
    """Write the table of some variants as JSON, Markdown and a picture; answers the Markdown."""
    rows = [row for name in names for folder in _folders(out, name) if (row := measured(folder, steps))]
    table = markdown(rows)
    contents = {"json": json.dumps(rows, indent=1).encode(), "md": table.encode(), "png": picture(rows)}
    for kind, content in contents.items():
        with replacing(out / f"{study}.{kind}") as file:
            file.write(content)
    return table


def _folders(out: Path, name: str) -> list[Path]:
    """Of all seeds of a variant."""
    return sorted(path for path in out.glob(f"{name}-*") if path.name.removeprefix(f"{name}-").isdigit())


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each variant: mean over seeds, and half of the range."""
    columns = [name for name in (*COLUMNS, *BENCHMARK) if any(name in row["scores"] for row in rows)]
    titles = [COLUMNS.get(name, name) for name in columns]
    lines = ["| variant | seeds | " + " | ".join(titles) + " |", "|---" * (2 + len(columns)) + "|"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        mine = [row["scores"] for row in rows if row["variant"] == name]
        cells = [spread([scores[column] for scores in mine if column in scores]) for column in columns]
        lines.append(f"| {name} | {len(mine)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Mean, and half of the range."""
    if not values:
        return "–"
    return f"{sum(values) / len(values):.3f} ± {(max(values) - min(values)) / 2:.3f}"


def picture(rows: Sequence[dict[str, Any]]) -> bytes:
    """A diagram for each of the first columns: a dot for each run, a line for the mean of a variant. PNG."""
    from matplotlib.figure import Figure

    shown = ("displacement_error", "match_accuracy", "depth_absrel")
    names = list(dict.fromkeys(row["variant"] for row in rows))
    figure = Figure(figsize=(12, 1.6 + 0.4 * len(names)), layout="constrained")
    for place, column in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), place + 1)
        for height, name in enumerate(names):
            values = [row["scores"][column] for row in rows if row["variant"] == name and column in row["scores"]]
            axes.plot(values, [height] * len(values), "o", color="C0", alpha=0.7)
            if values:
                axes.plot([sum(values) / len(values)] * 2, [height - 0.3, height + 0.3], color="C1")
        axes.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_title(COLUMNS[column])
        axes.grid(alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
