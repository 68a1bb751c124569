"""A folder of finished files, on a disk or in an object store. A file is there whole or not at all."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from vdpm.errors import UserError
from vdpm.files import replacing

T = TypeVar("T")
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before an object store that failed or asked for less is tried again."""


class Folder:
    """On a disk of this machine."""

    def __init__(self, path: Path):
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if it is not there."""
        path = self.path / name
        return path.stat().st_size if path.exists() else None

    def read(self, name: str) -> bytes:
        """All of a small file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Put a small file, replacing an older one at once."""
        with replacing(self.path / name) as file:
            file.write(data)

    def fetch(self, name: str, scratch: Path) -> Path:
        """A file on this machine: itself, or a copy of it in `scratch`."""
        return self.path / name

    def put(self, path: Path, name: str) -> None:
        """Move a file of this machine here, replacing an older one at once."""
        if path.stat().st_dev == self.path.stat().st_dev:
            path.replace(self.path / name)
            return
        with path.open("rb") as source, replacing(self.path / name) as file:
            shutil.copyfileobj(source, file)
        path.unlink()

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(path.name for path in self.path.glob("*") if path.is_file() and path.suffix != ".part")


class Bucket:
    """The same in an object store that fsspec knows. These replace objects at once: a put that breaks off leaves nothing.

    Everything is tried again for a while, and raises `UserError` when the store still refuses.
    """

    def __init__(self, url: str):
        import fsspec

        self.url = url.rstrip("/")
        try:
            self.files, self.root = fsspec.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"--out {url}: {error}") from error

    def __str__(self) -> str:
        return self.url

    def size(self, name: str) -> int | None:
        return self._retried(lambda: self._size(name), name)

    def _size(self, name: str) -> int | None:
        self.files.invalidate_cache()
        try:
            return int(self.files.info(self._at(name))["size"])
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        return self._retried(lambda: self.files.cat_file(self._at(name)), name)

    def write(self, name: str, data: bytes) -> None:
        self._retried(lambda: self.files.pipe_file(self._at(name), data), name)

    def fetch(self, name: str, scratch: Path) -> Path:
        copy = scratch / name
        self._retried(lambda: self.files.get_file(self._at(name), str(copy)), name)
        return copy

    def put(self, path: Path, name: str) -> None:
        self._retried(lambda: self.files.put_file(str(path), self._at(name)), name)
        path.unlink()

    def remove(self, name: str) -> None:
        if self.size(name) is not None:
            self._retried(lambda: self.files.rm_file(self._at(name)), name)

    def names(self) -> list[str]:
        def listed() -> list[Any]:
            self.files.invalidate_cache()
            try:
                return self.files.ls(self.root, detail=False)
            except FileNotFoundError:
                return []

        return sorted(path.rpartition("/")[2] for path in self._retried(listed, ""))

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _retried(self, action: Callable[[], T], name: str) -> T:
        """Raises `UserError` when the store still refuses after all pauses, or at once when it always will."""
        for pause in (*PAUSES, None):
            try:
                return action()
            except Exception as error:  # every store has its own; those that speak of rights and names are final
                if pause is None or isinstance(error, PermissionError | FileNotFoundError):
                    reason = f"{type(error).__name__}: {error}".splitlines()[0]
                    raise UserError(
                        f"{self.url}/{name}: {reason}; what was finished is kept, the same command tries again"
                    ) from error
                time.sleep(pause)
        raise AssertionError("the last pause is None")


Store = Folder | Bucket


def open_store(out: str) -> Store:
    """The store that `--out` names: a folder, or a URL with its scheme."""
    return Bucket(out) if "://" in out else Folder(Path(out))
