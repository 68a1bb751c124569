"""Methods by name: `benchmark/methods/<name>.py` is the registration.

A method module has a one-line docstring, `VERSION = "1"` (raise it when its answers change), and one of

    def load() -> Callable[[Video], Prediction]                     sees the video and nothing else
    def load_reference() -> Callable[[Video, Truth], Prediction]    a reference, which is shown the truth

and, if it cannot start from what an installation brings, says so in `NEEDS = "weights"`: started without them, it answers
with one line that names them. What is heavy (torch, weights) belongs inside that function. Facts about a method are read
from its source, so that listing and scoring never import it.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import benchmark.methods
from vdpm.clip import Prediction, Truth, Video
from vdpm.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Method:
    """What is known of a method without importing it."""

    name: str
    version: str
    description: str
    reference: bool
    """Whether it is shown the truth."""
    needs: str
    """What has to be brought along before it starts, "" for nothing."""


def _sources() -> dict[str, Path]:
    files = [file for folder in benchmark.methods.__path__ for file in Path(folder).glob("*.py")]
    return {file.stem: file for file in sorted(files) if not file.stem.startswith("_")}


def method_names() -> list[str]:
    """Names of all registered methods, sorted."""
    return sorted(_sources())


def find_method(name: str) -> Method:
    """The method of a name. Raises `UserError` when there is none or its file lacks what a method needs."""
    sources = _sources()
    if name not in sources:
        raise unknown("method", name, sorted(sources), "add one as benchmark/methods/<name>.py")
    tree = ast.parse(sources[name].read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    description = (ast.get_docstring(tree) or "").partition("\n")[0]
    version = _constant(tree, "VERSION")
    if not (description and version and functions & {"load", "load_reference"}):
        raise UserError(
            f'method {name!r}: {sources[name]} needs a docstring, VERSION = "1" and load() or load_reference()'
        )
    return Method(
        name=name,
        version=version,
        description=description,
        reference="load" not in functions,
        needs=_constant(tree, "NEEDS"),
    )


def _constant(tree: ast.Module, name: str) -> str:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            return str(ast.literal_eval(node.value))
    return ""


def start(method: Method) -> Callable[[Video, Truth | None], Prediction]:
    """Import a method and make it ready to answer. Only references are shown the truth they are handed.

    Raises `UserError` when a package that the method needs is not installed.
    """
    try:
        module = import_module(f"benchmark.methods.{method.name}")
        answer = module.load_reference() if method.reference else module.load()
    except ImportError as error:
        raise UserError(f"method {method.name!r} cannot start ({error}); install what it needs") from error
    if method.reference:
        return answer
    return lambda video, truth: answer(video)
