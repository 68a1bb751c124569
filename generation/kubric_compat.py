"""Kubric without TensorFlow: `from generation.kubric_compat import kb, PyBullet`.

Kubric's core calls TensorFlow for two things, `tf.io.gfile.copy` and `tf.io.gfile.GFile`, which on local paths are
`shutil.copyfile` and `open`. If TensorFlow is not installed, a module that offers just these stands in for it while
Kubric is imported, and is gone from `sys.modules` afterwards: no other library mistakes it for the real thing.
"""

import importlib.machinery
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace


def _copy(source: str | Path, target: str | Path, overwrite: bool = False) -> None:
    if Path(target).exists() and not overwrite:
        raise FileExistsError(f"{target} exists")
    shutil.copyfile(source, target)


def gfile_only() -> ModuleType:
    """A module `tensorflow` with the two functions."""
    module = ModuleType("tensorflow")
    module.__spec__ = importlib.machinery.ModuleSpec("tensorflow", loader=None)
    module.io = SimpleNamespace(gfile=SimpleNamespace(copy=_copy, GFile=open))  # type: ignore[attr-defined]
    return module


def _import_kubric() -> None:
    """Import Kubric and its simulator, leaving no stand-in module and no stray folder behind.

    `kubric.simulator.pybullet` makes a temporary folder as a default argument, when it is imported.
    """
    stand_in = importlib.util.find_spec("tensorflow") is None
    if stand_in:
        sys.modules["tensorflow"] = gfile_only()
    make_folder, tempfile.mkdtemp = tempfile.mkdtemp, lambda: ""
    try:
        import kubric
        import kubric.simulator.pybullet  # noqa: F401
    finally:
        tempfile.mkdtemp = make_folder
        if stand_in:
            del sys.modules["tensorflow"]


_import_kubric()

import kubric as kb  # noqa: E402
from kubric.core.lights import Light  # noqa: E402
from kubric.core.objects import Object3D  # noqa: E402
from kubric.core.view import View  # noqa: E402
from kubric.redirect_io import RedirectStream  # noqa: E402
from kubric.simulator.pybullet import PyBullet  # noqa: E402

__all__ = ["Light", "Object3D", "PyBullet", "RedirectStream", "View", "kb"]
