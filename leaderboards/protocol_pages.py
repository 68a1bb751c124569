"""A page per protocol: the exact definition from the registries, and every method's numbers under it."""

import inspect
from dataclasses import dataclass
from functools import partial

from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS
from benchmark.rows import Row
from leaderboards.board import natural, protocol_board
from leaderboards.columns import metric_columns
from leaderboards.pages import protocol_page, render


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A metric in words."""

    title: str
    name: str
    definition: str


@dataclass(frozen=True, kw_only=True)
class ProtocolPage:
    """What the page of a protocol says beside numbers."""

    name: str
    version: str
    file: str
    title: str
    description: str
    frames: str
    sources: str
    asks: str
    asks_file: str
    mean: str
    code: tuple[str, ...]
    metrics: tuple[Definition, ...]


def described(rows: list[Row]) -> list[ProtocolPage]:
    """The protocols that rows speak of, in the order of the registry."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.protocol, row.protocol_version), []).append(row)
    order = list(PROTOCOLS)
    keys = sorted(
        found, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key[0], natural(key[1]))
    )
    return [_described(name, version, found[name, version]) for name, version in keys]


def _described(name: str, version: str, rows: list[Row]) -> ProtocolPage:
    known = PROTOCOLS.get(name)
    known = known if known and known.version == version else None
    columns = metric_columns(rows)
    asked = PROTOCOLS[known.asks] if known and known.asks else None
    pixels = known is not None and known.mean == "pixel"
    return ProtocolPage(
        name=name, version=version, file=protocol_page(name, version), title=known.title if known else name,
        description=known.description if known else "A protocol that is not in this checkout, or in an earlier version.",
        frames=columns[0].frames if known else "not known",
        sources=" and ".join(f"frame {source}" for source in known.sources) if known else "",
        asks=asked.name if asked else "",
        asks_file=protocol_page(asked.name, asked.version).removeprefix("protocols/") if asked else "",
        mean="over pixels: clips count by the pixels of their score" if pixels else "over tasks, then over clips: all count alike",
        code=("benchmark/protocols.py", *sorted({_file(column.metrics[0]) for column in columns} - {""})),
        metrics=tuple(_definition(column.metrics[0]) for column in columns),
    )  # fmt: skip


def _function(name: str):
    function = METRICS[name].function if name in METRICS else None
    while isinstance(function, partial):
        function = function.func
    return inspect.unwrap(function) if function else None


def _file(name: str) -> str:
    function = _function(name)
    return f"{function.__module__.replace('.', '/')}.py" if function else ""


def _definition(name: str) -> Definition:
    metric, function = METRICS.get(name), _function(name)
    text = " ".join((inspect.getdoc(function) or "").split()) if function else ""
    title = metric.title + (" (moving pixels)" if metric.moving else "") if metric else name
    return Definition(title=title, name=name, definition=text or "See the description above and the code.")


def protocol_files(rows: list[Row], code_url: str) -> dict[str, str]:
    """The list of protocols and a page for each."""
    pages = described(rows)
    files = {"protocols/index.html": render("protocols.html.jinja", "protocols/index.html", protocols=pages)}
    for page in pages:
        own: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if (row.protocol, row.protocol_version) == (page.name, page.version):
                own.setdefault((row.suite, row.suite_version), []).append(row)
        boards = [protocol_board(some, "-".join(key), *(key[0], key[0], key[1])) for key, some in own.items()]
        files[page.file] = render("protocol.html.jinja", page.file, page=page, boards=boards, code_url=code_url)
    return files
