"""Exports by name: `vdpm/reconstruction/exports/<name>.py` is the registration.

An export module has a one-line docstring and `def write(reconstruction: Reconstruction, folder: Path) -> Path`, which writes
into the folder and says what a user should open. What it needs beyond NumPy is imported inside of that function.
"""

import ast
from importlib import import_module
from pathlib import Path

import vdpm.reconstruction.exports
from vdpm.errors import UserError, unknown
from vdpm.reconstruction.record import Reconstruction


def export_names() -> dict[str, str]:
    """Names and what they write, sorted; nothing is imported for that."""
    files = sorted(file for folder in vdpm.reconstruction.exports.__path__ for file in Path(folder).glob("*.py"))
    found = {file.stem: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "" for file in files}
    return {name: text.partition("\n")[0] for name, text in found.items() if not name.startswith("_")}


def asked_exports(names: str) -> list[str]:
    """Names separated by commas, "all" or "none". Raises `UserError` on one that is not there."""
    known = list(export_names())
    asked = known if names == "all" else [name for name in names.split(",") if name not in ("", "none")]
    for name in asked:
        if name not in known:
            raise unknown("export", name, [*known, "all", "none"], "add one as vdpm/reconstruction/exports/<name>.py")
    return asked


def export(name: str, reconstruction: Reconstruction, folder: Path) -> Path:
    """Write one export. Raises `UserError` when a package that it needs is not installed."""
    try:
        return import_module(f"vdpm.reconstruction.exports.{name}").write(reconstruction, folder)
    except ImportError as error:
        raise UserError(
            f"export {name!r} needs a package that is not here ({error}): pip install '.[video,rerun]'"
        ) from error
