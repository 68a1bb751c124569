"""Methods by name: `benchmark/methods/<name>.py` is the registration.

A method module has a one-line docstring, `VERSION = "1"` (raise it when its answers change), and one of

    def load() -> Callable[[Video], Prediction]                     sees the video and nothing else
    def load_reference() -> Callable[[Video, Truth], Prediction]    a reference, which is shown the truth

and, if it cannot start from what an installation brings, says so in `NEEDS = "weights"`: started without them, it answers
with one line that names them. `WEIGHTS = "NAME"` is the environment variable that says where they are. What is heavy (torch, weights) belongs inside that function. Facts about a method are read
from its source, so that listing and scoring never import it.
"""

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import benchmark.methods
from vdpm.clip import Prediction, Truth, Video
from vdpm.errors import INSTALL, UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """Where the answers of a model come from that is not a file of ours (`benchmark.foreign`)."""

    predictions: str = ""
    """Folder of its answers."""
    command: str = ""
    """Or the program that gives them."""
    adapter: str = ""
    """File of benchmark/adapters/ that reads them; "" when they are in our layout."""
    limit: float = 0.0
    """Seconds that the program may take for a task."""


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
    weights: str = ""
    """Environment variable that names its weights."""
    path: str = ""
    """Its file."""
    foreign: Foreign | None = None


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
    version = _constant(sources[name], tree, "VERSION")
    if not (description and version and functions & {"load", "load_reference"}):
        raise UserError(
            f'method {name!r}: {sources[name]} needs a docstring, VERSION = "1" and load() or load_reference()'
        )
    return Method(
        name=name,
        version=version,
        description=description,
        reference="load" not in functions,
        needs=_constant(sources[name], tree, "NEEDS"),
        weights=_constant(sources[name], tree, "WEIGHTS"),
        path=str(sources[name]),
    )


def _constant(file: Path, tree: ast.Module, name: str) -> str:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
            try:
                return str(ast.literal_eval(node.value))
            except ValueError:
                given = ast.unparse(node.value)
                raise UserError(
                    f"{file}: {name} is read without running the file, so {given} has to be a literal"
                ) from None
    return ""


def _module(method: Method) -> ModuleType:
    """The module of a method, from its file: that may lie in a folder which only another process was told of."""
    name = f"benchmark.methods.{method.name}"
    if name in sys.modules or Path(method.path).parent == Path(__file__).parent / "methods":
        return import_module(name)
    spec = spec_from_file_location(name, method.path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(method: Method) -> Callable[[Video, Truth | None], Prediction]:
    """Import a method and make it ready to answer. Only references are shown the truth they are handed.

    Raises `UserError` when a package that the method needs is not installed.
    """
    try:
        module = _module(method)
        answer = module.load_reference() if method.reference else module.load()
    except ImportError as error:
        raise UserError(f"method {method.name!r} cannot start ({error}): {INSTALL}") from error
    if method.reference:
        return answer
    return lambda video, truth: answer(video)
