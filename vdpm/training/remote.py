"""Shards behind addresses: each is fetched once, whole or not at all, and read from the disk from then on.

Clips are then read at random as from any folder, so that a stream from addresses resumes as exactly as another.
"""

import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from vdpm.errors import UserError
from vdpm.files import replacing

SCHEMES = ("http://", "https://", "file://")
SECONDS = 60.0
"""Without a byte, after which a server is given up."""


def is_remote(source: str) -> bool:
    """Whether a source is an address and no folder."""
    return source.startswith(SCHEMES)


def fetched(source: str, cache: Path | None) -> Path:
    """The folder with the shards of an address, in which {000..012} stands for all numbers between.

    Raises `UserError` without a folder to keep them in, or when a shard cannot be had.
    """
    from webdataset.shardlists import expand_urls

    if cache is None:
        raise UserError(f"source {source}: shards behind addresses need a folder to be kept in; set a cache")
    addresses = expand_urls(source)
    folder = cache / "shards" / re.sub(r"[^A-Za-z0-9.]+", "_", source)
    for address in addresses:
        path = folder / address.rpartition("/")[2]
        if path.suffix != ".tar":
            raise UserError(
                f"source {address}: an address of shards ends in .tar, as in https://host/train-{{000..012}}.tar"
            )
        if not path.exists():
            _fetch(address, path)
    return folder


def _fetch(address: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer, replacing(path) as file:
            shutil.copyfileobj(answer, file)
            wanted = answer.headers.get("Content-Length")
            if wanted is not None and file.tell() != int(wanted):
                raise UserError(f"{address} ended after {file.tell()} of {wanted} bytes; the same command tries again")
    except (urllib.error.URLError, OSError) as error:
        raise UserError(f"cannot fetch {address} ({error}); the shards fetched so far are kept") from error
