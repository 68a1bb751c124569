"""The rules of the folders: who may import whom, which names are free, what no file may hold.

Each test collects every place that breaks its rule, so that a failure is the list of what to change.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "vdpm": {"vdpm"},
    "generation": {"generation", "vdpm"},
    "benchmark": {"benchmark", "vdpm"},
    "leaderboards": {"leaderboards", "benchmark", "vdpm"},
    "tests": {"vdpm", "generation", "benchmark", "leaderboards", "tests"},
}
PACKAGES = ["vdpm", "generation", "benchmark"]
MACHINE_PATH = re.compile(rb"/(home|root|work|Users|mnt|scratch)/\w")


def files() -> list[Path]:
    """What is in the repository or about to be."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


SOURCES = {path.relative_to(ROOT): ast.parse(path.read_bytes()) for path in files() if path.suffix == ".py"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a file imports; `from a import b` gives a and a.b, as b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def siblings(folder: str) -> set[str]:
    """Names that `python FOLDER/x.py` can import because Python puts FOLDER first on its path."""
    inside = {path.relative_to(folder).parts[0] for path in SOURCES if path.parts[0] == folder}
    return {name.removesuffix(".py") for name in inside} - {"__init__"}


def commands() -> set[str]:
    """Modules that are run, not imported."""
    guarded = (path for path, tree in SOURCES.items() if "if __name__ == '__main__'" in ast.unparse(tree))
    return {".".join(path.with_suffix("").parts) for path in guarded}


def forbidden(tree: ast.AST) -> Iterator[str]:
    """What edits the search path, runs data as code, or draws random numbers that nobody asked for."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr="path"):
                yield "sys.path"
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                yield f"{name}()"
            case ast.keyword(arg="allow_pickle", value=value) if ast.unparse(value) != "False":
                yield "allow_pickle"
            case ast.keyword(arg="weights_only", value=value) if ast.unparse(value) != "True":
                yield "weights_only"
            case ast.FunctionDef(name=name, args=arguments) if "rng" in with_default(arguments):
                yield f"{name}() has a default for rng"


def with_default(arguments: ast.arguments) -> set[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    names = [argument.arg for argument in positional[len(positional) - len(arguments.defaults) :]]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {*names, *(argument.arg for argument, default in keywords if default is not None)}


def loaded_by(modules: list[str], folder: Path) -> set[str]:
    """Top-level modules in a fresh Python that imported some of ours, started elsewhere so that only the install helps."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {name.split(".")[0] for name in run.stdout.split()}


def test_arrows_point_one_way():
    """vdpm knows nobody, generation and benchmark know vdpm, and siblings are called by their full name."""
    wrong = []
    for path, tree in SOURCES.items():
        folder = path.parts[0]
        roots = {name.split(".")[0] for name in imported(tree)}
        wrong += [
            f"{path} imports {name}" for name in roots & (MAY_IMPORT.keys() | siblings(folder)) - MAY_IMPORT[folder]
        ]
        wrong += [f"{path} imports relatively" for name in roots if not name]
    assert not wrong


def test_commands_are_imported_by_nobody_but_tests():
    users = {path: tree for path, tree in SOURCES.items() if path.parts[0] != "tests"}
    run = commands()
    wrong = [f"{path} imports {name}" for path, tree in users.items() for name in set(imported(tree)) & run]
    assert not wrong


def test_names_hide_nothing():
    """`python generation/render.py` puts generation/ first: a file named random.py there would be everyone's `random`."""
    taken = sys.stdlib_module_names | packages_distributions().keys() | MAY_IMPORT.keys()
    wrong = [f"{folder}/{name}" for folder in (*PACKAGES, "leaderboards") for name in siblings(folder) & taken]
    assert not wrong


def test_names_resolve_here(tmp_path):
    """From anywhere, by the install alone: no other distribution owns the names."""
    code = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)}, sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert found.split() == [str(ROOT / name / "__init__.py") for name in PACKAGES]


def test_wheel_holds_the_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES


def test_packages_have_empty_inits():
    folders = {path.parent for path in SOURCES if path.parts[0] in (*PACKAGES, "tests")}
    assert not [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()]
    assert not [folder for folder in folders - {Path("tests")} if (ROOT / folder / "__init__.py").read_text()]


def test_records_are_light(tmp_path):
    loaded = loaded_by(["vdpm.clip", "vdpm.geometry", "vdpm.derive"], tmp_path)
    assert not loaded & {"torch", "bpy", "cv2", "webdataset", "PIL", "scipy"}


def test_shards_are_read_without_torch(tmp_path):
    assert not loaded_by(["vdpm.storage"], tmp_path) & {"torch", "bpy", "cv2", "webdataset"}


def test_benchmark_needs_neither_blender_nor_torch(tmp_path):
    """Methods may, each for itself."""
    modules = [f"benchmark.{name}" for name in sorted(siblings("benchmark"))]
    assert not loaded_by(["benchmark", *modules], tmp_path) & {"torch", "bpy", "kubric", "pybullet", "cv2"}


def test_nothing_forbidden():
    wrong = [f"{path}: {what}" for path, tree in SOURCES.items() for what in forbidden(tree)]
    pickles = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    wrong += [f"{path} imports {name}" for path, tree in SOURCES.items() for name in pickles & set(imported(tree))]
    assert not wrong


def test_no_paths_of_a_machine():
    assert not [path for path in files() if MACHINE_PATH.search(path.read_bytes())]
