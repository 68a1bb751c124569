"""Turn result rows into the leaderboards: a static site, tables in Markdown, CSV and LaTeX, figures as SVG and PNG.

    python leaderboards/build.py                            from leaderboards/results/
    python leaderboards/build.py --rows runs/*/*/rows.jsonl     and from rows that are not published

Equal rows give equal bytes. Runs are published by `python leaderboards/submit.py`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from leaderboards.content import collect, site
from leaderboards.publication import publications
from vdpm.errors import run_command
from vdpm.files import replacing

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Config:
    """Turn result rows into the leaderboards."""

    results: Path = HERE / "results"
    """Folder of published runs, *.jsonl and *.json."""
    rows: tuple[Path, ...] = ()
    """More files of rows."""
    out: Path = HERE / "site"
    """Folder that gets index.html and all that it leads to."""
    media: Path = HERE / "site" / "clips"
    """Folder of the pictures and point clouds that submit.py drew."""
    code_url: str = "../../../"
    """Where the code lies, as a page in a folder of the site sees it; a web address when the site is uploaded."""


def write_site(out: Path, files: dict[Path, bytes]) -> None:
    """Write what differs, and delete pages of methods, protocols and clips that are no more, if the folder is such a site."""
    ours = (out / "leaderboard.md").is_file() and (out / "assets" / "page.js").is_file()
    for path, content in files.items():
        if not (out / path).is_file() or (out / path).read_bytes() != content:
            with replacing(out / path) as file:
                file.write(content)
    for pages in ("methods/*", "protocols/*", "figures/*", "tables/*", "assets/*", "clips/*/*.html"):
        for path in sorted(out.glob(pages)):
            if ours and path.is_file() and path.relative_to(out) not in files:
                path.unlink()


def main(config: Config) -> None:
    """Write the site. Raises `UserError` for rows that are no rows, were edited, or places that cannot be written."""
    checked = publications(config.results)
    rows = collect(config.results, config.rows)
    files = site(rows, checked, config.media, config.code_url)
    write_site(config.out, files)
    size = sum(map(len, files.values()))
    print(f"{config.out / 'index.html'}: {len(files)} files, {size / 1e6:.1f} MB", file=sys.stdout)


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
