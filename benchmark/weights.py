"""What identifies weights that are named from outside: part of what predictions are cached by."""

import hashlib
import os
from pathlib import Path

from benchmark.registry import Method
from vdpm.files import sha256
from vdpm.model.default import WEIGHTS, default_weights

NAMES = ("model.safetensors", "model.pt")
_KNOWN: dict[tuple[str, int, int], str] = {}


def identity(method: Method) -> str:
    """SHA-256 of the file of weights that a method will read, its own ones too, or the name by which it asks a hub for it.

    "" for a method without weights; for a foreign one the SHA-256 of its command.
    """
    if method.foreign is not None:
        told = f"{method.foreign.command} {method.foreign.adapter}"
        return hashlib.sha256(told.encode()).hexdigest()
    named = default_weights() if method.weights == WEIGHTS else os.environ.get(method.weights, "")
    if not named:
        return "default" if method.weights else ""
    path = Path(named)
    files = [path] if path.is_file() else [path / name for name in NAMES if (path / name).is_file()]
    return _digest(files[0]) if files else named


def _digest(file: Path) -> str:
    status = file.stat()
    key = (str(file), status.st_size, status.st_mtime_ns)
    if key not in _KNOWN:
        _KNOWN[key] = sha256(file)
    return _KNOWN[key]
