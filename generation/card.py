"""A data card for a folder of shards: what is in it, measured; under which licences; and Croissant metadata.

    python -m generation.card data/train

writes data/train/card/README.md with its plots, assets.json with the licence of every asset, and data/train/croissant.json.
It reads the shards one clip at a time, and needs neither Blender nor a simulator.
"""

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tqdm import tqdm

from generation import croissant
from generation.survey import Histogram, Survey
from vdpm.errors import UserError, run_command
from vdpm.files import replacing
from vdpm.storage import read_shard


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder with the shards; those in folders below count too."""
    name: str | None = None
    """Of the data set; its folder's unless given."""
    licence: str | None = None
    """Of the data set as a whole; unless given, the licences of all its assets are listed in its place."""
    creator: str = "unknown"
    """Who made it."""
    url: str = "https://example.org"
    """Where it is published."""
    published: str | None = None
    """Date of publication, YYYY-MM-DD; today unless given."""


def main(config: Config) -> None:
    """Measure, write the card and the metadata."""
    shards = sorted(
        path for path in config.folder.rglob("*.tar") if "clips" not in path.relative_to(config.folder).parts
    )
    if not shards:
        raise UserError(f"{config.folder} holds no shard (*.tar); render some: python generation/render.py --num 4")
    published = _date(config.published)
    croissant.library()
    survey = Survey()
    for shard in tqdm(shards, desc="shards", unit="shard"):
        for clip in tqdm(read_shard(shard), desc=shard.name, unit="clip", leave=False):
            survey.add(clip)
    name = config.name or config.folder.resolve().name
    write_card(survey, config.folder / "card", name, config.licence)
    licences = [config.licence] if config.licence else sorted(set(survey.assets.values())) or ["unknown"]
    described = croissant.metadata(
        shards, config.folder, name, describe(survey), licences, config.url, config.creator, published
    )
    croissant.write(described, config.folder / "croissant.json")
    print(f"{sum(survey.clips.values())} clips: {config.folder / 'card/README.md'}, {config.folder / 'croissant.json'}")


def _date(text: str | None) -> datetime.datetime:
    today = datetime.datetime.now().date().isoformat()
    try:
        return datetime.datetime.strptime(text or today, "%Y-%m-%d")
    except ValueError:
        raise UserError(f"--published {text}: write YYYY-MM-DD, as in {today}") from None


def describe(survey: Survey) -> str:
    """The data set in a sentence."""
    families = ", ".join(sorted(survey.clips))
    return (
        f"{sum(survey.clips.values())} synthetic clips ({survey.frames} frames) of moving things with exact 4D ground truth: "
        f"depth, flow, instances, cameras and point maps for all pairs of frames and times. Families: {families}."
    )


def write_card(survey: Survey, folder: Path, name: str, licence: str | None) -> None:
    """The card, its plots and the list of assets, each whole or not at all."""
    for key, histogram in survey.histograms.items():
        if histogram.counts.any():
            with replacing(folder / f"{key}.png") as file:
                plot(histogram, file)
    with replacing(folder / "assets.json") as file:
        file.write(json.dumps(survey.assets, indent=1, sort_keys=True).encode())
    with replacing(folder / "README.md") as file:
        file.write("\n".join(lines(survey, name, licence)).encode())


def plot(histogram: Histogram, file: Any) -> None:
    """Shares of the values by bin, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 2.6), dpi=100, layout="constrained")
    axes = figure.subplots()
    used = np.flatnonzero(histogram.counts)
    first, last = max(used[0] - 1, 0), min(used[-1] + 2, len(histogram.counts))
    shares = histogram.counts / histogram.counts.sum()
    axes.stairs(shares[first:last], histogram.edges[first : last + 1], fill=True, color="#3b6ea5")
    axes.set_xscale("log" if histogram.logarithmic else "linear")
    axes.set_xlabel(histogram.title)
    axes.set_ylabel("share")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, format="png", metadata={"Software": None})


def lines(survey: Survey, name: str, licence: str | None) -> Iterator[str]:
    """The card in Markdown."""
    yield from (f"# {_plain(name)}", "", describe(survey), "")
    yield f"Licence: {_plain(licence or 'that of the assets, listed below')}. Made with Kubric, PyBullet and Blender."
    yield from ("", "| family | clips |", "|---|---|")
    yield from (f"| {_plain(family)} | {count} |" for family, count in sorted(survey.clips.items()))
    yield from ("", f"Resolution: {_counted(survey.resolutions)}. Generator version: {_counted(survey.versions)}.", "")
    yield from ("## Statistics", "", "| | mean | 5 % | 50 % | 95 % |", "|---|---|---|---|---|")
    for histogram in survey.histograms.values():
        quantiles = " | ".join(f"{histogram.quantile(share):.3g}" for share in (0.05, 0.5, 0.95))
        yield f"| {histogram.title} | {histogram.mean:.3g} | {quantiles} |"
    yield ""
    if not survey.has_occlusion:
        yield from ("Occlusions were not measured: that takes the package embreex (`pip install '.[raycast]'`).", "")
    measured = (key for key, histogram in survey.histograms.items() if histogram.counts.any())
    yield from (f"![{key}]({key}.png)" for key in measured)
    yield from ("", "## Assets", "", "| licence | assets | bodies |", "|---|---|---|")
    for asset_licence in sorted(set(survey.assets.values())):
        count = sum(value == asset_licence for value in survey.assets.values())
        yield f"| {_plain(asset_licence)} | {count} | {survey.uses[asset_licence]} |"
    yield from ("", "Each asset with its licence: [assets.json](assets.json).", "", "## Conventions", "")
    yield from (f"- {_plain(key)}: {_plain(str(value))}" for key, value in sorted(survey.conventions.items()))
    yield from ("", "## Limits", "", LIMITS, "")


LIMITS = (
    "Synthetic images: materials and shapes are mostly procedural, people are no real persons and have simple faces, "
    "lights are a few environment maps. No personal data. Flow is that of surfaces: shadows and reflections move without it. "
    "Contacts are those of rigid bodies: PyBullet tells none of cloth and soft bodies, and people have no physics. In soft "
    "worlds rigid things collide as their convex hulls."
)


def _counted(counter: dict[str, int]) -> str:
    return ", ".join(f"{_plain(key)} ({count} clips)" for key, count in sorted(counter.items()))


def _plain(text: str) -> str:
    """Text that neither a table nor HTML inside of Markdown takes for its own."""
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(mark, safe)
    return text


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
