"""Matplotlib figures that are the same bytes each time, as files and as SVG that lives in a page.

In a page, text stays text, ink is the colour of the page (light or dark), and nothing needs an inline style, which the
content-security policy forbids. Colours are those of Okabe and Ito (2008), told apart with any kind of colour vision;
a marker or a hatch says the same once more.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

INK = "#1c2430"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6BC4", "#8C6D1F")
GREY = "#8a8f98"
MARKERS = "osD^vPX*"
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "open4d", "font.family": "DejaVu Sans", "font.size": 10,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "figure.facecolor": "none",
    "axes.facecolor": "none", "savefig.facecolor": "none", "legend.frameon": False, "path.simplify": False,
    "axes.unicode_minus": True, "text.parse_math": False,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawn figure."""

    name: str
    """Of its files."""
    title: str
    caption: str
    svg: str
    """For a page."""
    files: dict[str, bytes]
    """ "name.svg" and "name.png" for papers and slides."""


@contextmanager
def canvas(width: float = 6.4, height: float = 3.9) -> Iterator[tuple[Any, Any]]:
    """A figure in inches and its axes, in our style."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
        try:
            yield figure, axes
        finally:
            pyplot.close(figure)


def finish(figure: Any, name: str, title: str, caption: str, label: str) -> Figure:
    """Draw a figure as SVG and PNG. `label` says to those who cannot see it what is drawn."""
    vector, pixels = io.BytesIO(), io.BytesIO()
    figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(pixels, format="png", dpi=160, facecolor="white", metadata={"Software": None})
    svg = vector.getvalue()
    files = {f"{name}.svg": svg, f"{name}.png": pixels.getvalue()}
    return Figure(name=name, title=title, caption=caption, svg=inline(svg.decode(), name, label), files=files)


def inline(svg: str, name: str, label: str) -> str:
    """An SVG file as an element of a page: attributes for styles, names of its own, ink that follows the page."""
    from markupsafe import escape

    svg = re.sub(r"^.*?<svg ", "<svg ", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<g) id="[^"]*"', r"\1", svg)
    svg = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r'\bstyle="([^"]*)"', lambda found: _attributes(found[1]), svg)
    svg = re.sub(
        r'<svg ([^>]*?)width="[^"]*" height="[^"]*"|<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', _unsized, svg
    )
    svg = svg.replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1).strip()


def _unsized(found: re.Match[str]) -> str:
    return "<svg " + "".join(group or "" for group in found.groups())


def _attributes(style: str) -> str:
    """Style declarations as presentation attributes. `font` has none; its size is what is kept."""
    kept = []
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            size = re.search(r"([\d.]+px)", value)
            kept += [f'font-size="{size[1]}"'] if size else []
        elif name != "font-family":
            kept.append(f'{name}="{value.replace(chr(34), chr(39))}"')
    return " ".join(kept)
