"""Is a run what it says? Every reason why not, as a list; an empty list is a yes.

Nothing that a run says is taken over unseen: names and versions are compared with the registries, rows with the clips of
the suite, files with their checksums, and numbers with those computed again from the prediction files.
"""

import io
import json
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np

from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.registry import Method, find_method, method_names
from benchmark.rows import Row, read_rows
from benchmark.scoring import Case, score_case
from benchmark.suites import Suite, find_suite, read_suite
from benchmark.tasks import file_name
from vdpm.clip import Clip
from vdpm.derive import hits
from vdpm.errors import UserError
from vdpm.files import sha256

RELATIVE = 1e-5
"""By which a number computed again may differ: another processor rounds differently."""
LOOSE = {"depth_cut3r": 3e-3}
"""Where the evaluator itself is defined no better (its scale stops before it converges)."""
SHOWN = 5
"""Examples of a reason that are listed."""
HEADER_BYTES = 100_000
"""No header of a prediction file is larger."""
SUMS = "SHA256SUMS"
"""Checksums that came with the run, as sha256sum writes them."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A run that was read, and what is wrong with it."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    suite: Suite | None = None
    method: Method | None = None
    predictions: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each prediction file by its place."""
    rescored: list[str] = field(default_factory=list)
    weights: str = ""
    problems: list[str] = field(default_factory=list)


def check(
    folder: Path, suite_folder: Path | None, sample: int, rng: np.random.Generator, data_root: Path | None = None
) -> Submission:
    """Read a run and check it; `sample` clips are scored again, all of them for 0. Never raises for a bad run."""
    try:
        rows = read_rows(folder / "rows.jsonl")
    except UserError as error:
        return Submission(folder=folder, problems=[str(error)])
    if not rows:
        return Submission(folder=folder, problems=[f"{folder / 'rows.jsonl'} holds no row"])
    problems = _identity(rows)
    if problems:
        return Submission(folder=folder, rows=rows, problems=problems)
    try:
        suite = find_suite(str(suite_folder) if suite_folder else rows[0].suite, data_root)
    except UserError as error:
        return Submission(folder=folder, rows=rows, problems=[str(error)])
    problems = [*_suite(rows[0], suite), *_method(rows[0]), *_protocols(rows)]
    if not problems:
        problems = _complete(rows, suite) or _plausible(rows)
    sums, missing = _files(folder, rows)
    problems += missing
    method = _method_of(rows[0])
    if problems:
        return Submission(folder=folder, rows=rows, suite=suite, method=method, predictions=sums, problems=problems)
    names = list(suite.clips)
    chosen = (
        sorted(rng.choice(len(names), size=min(sample, len(names)), replace=False).tolist())
        if sample
        else range(len(names))
    )
    clips = [names[place] for place in chosen]
    weights = _weights(folder, sums)
    wrong = list(_rescored(folder, rows, suite, method, weights, set(clips)))
    return Submission(
        folder=folder, rows=rows, suite=suite, method=method, predictions=sums, rescored=clips, weights=weights,
        problems=_few(wrong),
    )  # fmt: skip


def _few(reasons: list[str]) -> list[str]:
    return reasons if len(reasons) <= SHOWN else [*reasons[:SHOWN], f"... and {len(reasons) - SHOWN} more of this kind"]


def _identity(rows: list[Row]) -> list[str]:
    """One run is one method in one version on one suite in one version."""
    found = []
    for name in ("suite", "suite_version", "method", "method_version", "reference"):
        values = sorted({str(getattr(row, name)) for row in rows})
        if len(values) > 1:
            found.append(f"{name} is not the same in all rows: {', '.join(values[:SHOWN])}")
    return found


def _suite(row: Row, suite: Suite) -> list[str]:
    if (row.suite, row.suite_version) == (suite.name, suite.version):
        return []
    return [
        f"the rows are of suite {row.suite} version {row.suite_version}, here is {suite.name} version {suite.version}"
    ]


def _method(row: Row) -> list[str]:
    if row.method not in method_names():
        return ["the rows call an unknown method a reference"] if row.reference else []
    known = find_method(row.method)
    found = []
    if known.version != row.method_version:
        found.append(f"method {row.method} has version {row.method_version}, the one here has {known.version}")
    if known.reference != row.reference:
        found.append(f"method {row.method} is {'a' if known.reference else 'no'} reference, the rows say otherwise")
    return found


def _method_of(row: Row) -> Method:
    if row.method in method_names():
        return find_method(row.method)
    return Method(name=row.method, version=row.method_version, description="", reference=False, needs="")


def _protocols(rows: list[Row]) -> list[str]:
    found = []
    for name, version in sorted({(row.protocol, row.protocol_version) for row in rows}):
        if name not in PROTOCOLS:
            found.append(f"protocol {name} is not known here")
        elif PROTOCOLS[name].version != version:
            found.append(
                f"protocol {name} has version {version}, the one here has {PROTOCOLS[name].version}: score again"
            )
    return found


def _complete(rows: list[Row], suite: Suite) -> list[str]:
    """Every clip of the suite has one row for every metric of every protocol that was run."""
    there = Counter((row.protocol, row.metric, row.clip) for row in rows)
    wanted = {
        (name, metric, clip)
        for name in {row.protocol for row in rows}
        for metric in PROTOCOLS[name].metrics
        for clip in suite.clips
    }
    reasons = [("is missing", wanted - set(there)), ("belongs to no clip or metric of the suite", set(there) - wanted),
               ("is there more than once", {key for key, count in there.items() if count > 1})]  # fmt: skip
    return [
        line for what, keys in reasons for line in _few([f"the row {' '.join(key)} {what}" for key in sorted(keys)])
    ]


def _plausible(rows: list[Row]) -> list[str]:
    """Values are numbers in the unit of their metric, and blanks have a reason."""
    found = []
    for row in rows:
        place, metric = f"{row.protocol} {row.metric} {row.clip}", METRICS[row.metric]
        if row.value is not None and not math.isfinite(row.value):
            found.append(f"{place}: {row.value} is not finite")
        if row.value is None and not row.note:
            found.append(f"{place}: a blank without a reason")
        if (row.weight is not None) != (metric.pooled and row.value is not None):
            found.append(f"{place}: weight {row.weight}; a value has one if its metric is pooled, nothing else has")
        if (row.unit, row.better) != (metric.unit, metric.better):
            found.append(f"{place}: unit {row.unit!r} and better {row.better!r} are not those of the metric")
    return _few(found)


def _files(folder: Path, rows: list[Row]) -> tuple[dict[str, str], list[str]]:
    """Checksums of the prediction files that the values speak of, and which are missing or altered."""
    known = [row for row in rows if row.protocol in PROTOCOLS and row.value is not None]
    names = sorted({f"{PROTOCOLS[row.protocol].question.name}/{row.clip.replace('/', '--')}.npz" for row in known})
    missing = [f"the prediction file {name} is missing" for name in names if not _inside(folder, name)]
    sums = {name: sha256(folder / name) for name in names if _inside(folder, name)}
    told = _told_sums(folder)
    altered = [f"the prediction file {name} was altered: {SUMS} has another sum" for name in names
               if name in told and sums.get(name, told[name]) != told[name]]  # fmt: skip
    return sums, [*_few(missing), *_few(altered)]


def _inside(folder: Path, name: str) -> bool:
    path = (folder / name).resolve()
    return path.is_relative_to(folder.resolve()) and path.is_file()


def _told_sums(folder: Path) -> dict[str, str]:
    file = folder / SUMS
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    parts = [line.split(maxsplit=1) for line in lines]
    return {part[1].removeprefix("*").removeprefix("./"): part[0] for part in parts if len(part) == 2}


def _weights(folder: Path, sums: dict[str, str]) -> str:
    """What the prediction files say of the weights they were made with."""
    found = set()
    for name in sums:
        try:
            with zipfile.ZipFile(folder / name) as archive:
                small = archive.getinfo("header.npy").file_size <= HEADER_BYTES
                header = (
                    np.lib.format.read_array(io.BytesIO(archive.read("header.npy")), allow_pickle=False)
                    if small
                    else "{}"
                )
            found.add(str(json.loads(str(header)).get("weights", "")))
        except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error):
            continue  # scoring will say what is wrong with it
    return ", ".join(sorted(found))


def _rescored(
    folder: Path, rows: list[Row], suite: Suite, method: Method, weights: str, clips: set[str]
) -> Iterator[str]:
    """Where numbers are not those of the prediction files."""
    handed = {(row.protocol, row.metric, row.clip): row for row in rows}
    protocols = [PROTOCOLS[name] for name in dict.fromkeys(row.protocol for row in rows)]
    for scene, fingerprint in read_suite(suite):
        if scene.name not in clips:
            continue
        look = cache(partial(hits, scene)) if isinstance(scene, Clip) else None
        for protocol in protocols:
            case = Case(
                suite=suite, method=method, protocol=protocol, scene=scene, fingerprint=fingerprint, weights=weights,
                out=folder, look=look,
            )  # fmt: skip
            own = {metric: handed[protocol.name, metric, scene.name] for metric in protocol.metrics}
            if all(row.value is None for row in own.values()) and not case.path.exists():
                continue  # a failure of the method, told by its notes
            try:
                again = score_case(case)
            except UserError as error:
                yield str(error)
                continue
            yield from (text for row in again if (text := _difference(own[row.metric], row)))


def _difference(handed: Row, again: Row) -> str:
    place = f"{handed.protocol} {handed.metric} {handed.clip}"
    if (handed.value is None) != (again.value is None):
        return f"{place} says {handed.value}, the prediction file gives {again.value}"
    tolerance = LOOSE.get(handed.protocol, RELATIVE)
    if handed.value is not None and again.value is not None:
        if not math.isclose(handed.value, again.value, rel_tol=tolerance, abs_tol=1e-9):
            return f"{place} says {handed.value}, the prediction file gives {again.value}"
        if not math.isclose(handed.weight or 0.0, again.weight or 0.0, rel_tol=RELATIVE):
            return f"{place} has weight {handed.weight}, the prediction file gives {again.weight}"
        if handed.count != again.count or handed.family != again.family:
            said, found = (f"count {row.count}, family {row.family}" for row in (handed, again))
            return f"{place} says {said}, scored again: {found}"
    return ""


def prediction_path(folder: Path, protocol: str, scene) -> Path:
    """Where the answers to a clip lie in a run."""
    return folder / PROTOCOLS[protocol].question.name / f"{file_name(scene)}.npz"
