"""Anyone's model without importing it here: inputs as files, answers as files.

`python -m benchmark.export_inputs` writes what a foreign environment needs, nothing but pictures and a little JSON:

    INPUTS/PROTOCOL/CLIP-00/0000.png ...     the frames of task 00, lossless
    INPUTS/PROTOCOL/CLIP-00/task.json        the ticket; frames, height, width; sources

and `--method folder --predictions DIR` scores what it gives back, one .npz a task:

    DIR/PROTOCOL/CLIP-00.npz     ticket              text: what "ticket" in task.json says, copied
                                 K                   (T, 3, 3)           pixels; centre of the first pixel at (0.5, 0.5)
                                 world_from_camera   (T, 4, 4)           rigid; OpenCV axes: +x right, +y down, +z forward
                                 depth               (T, H, W)           z, not the distance along the ray
                                 points              (S, T, H, W, 3)     points[s, t]: the pixels of frame sources[s] at
                                                                         time t, in the frame of the first camera
                                 visible             (S, T, H, W)        bool: seen by the camera of time t
                                 note                text, optional: why something is not there

Arrays of any floating point type; what is not claimed is left out and scores a blank. World and scale are free, but the
same in all arrays of a file. With `--adapter NAME` (`benchmark/adapters/`), DIR/PROTOCOL/CLIP-00/ holds what the model
itself writes, beside a copy of task.json. `--method subprocess --command "run {input} {output}"` runs a program clip by clip:
{input} is such a folder of one task, {output} the .npz to write, or with an adapter the folder to fill.
"""

import json
import os
import shlex
import signal
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.archive import read_npz
from benchmark.predictions import DTYPES, FORMAT_VERSION, Header, largest_answers
from benchmark.registry import Foreign
from vdpm.clip import Prediction, Video
from vdpm.errors import UserError
from vdpm.files import replacing

TASK = "task.json"
SAID = 300
"""Characters of what a program said last that go into the reason of a blank."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """What an answer answers. A model copies it; an answer to anything else is refused."""

    suite: str
    protocol: str
    protocol_version: str
    clip: str
    fingerprint: str
    task: int
    format_version: int = FORMAT_VERSION

    @classmethod
    def of(cls, header: Header, suite: str, task: int) -> "Ticket":
        """The ticket of a task of a case."""
        return cls(
            suite=suite,
            protocol=header.protocol,
            protocol_version=header.protocol_version,
            clip=header.clip,
            fingerprint=header.fingerprint,
            task=task,
        )

    @property
    def place(self) -> Path:
        """PROTOCOL/CLIP-00, below the folder of inputs or predictions."""
        return Path(self.protocol) / f"{self.clip.replace('/', '--')}-{self.task:02d}"

    @property
    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def write_input(folder: Path, video: Video, ticket: Ticket) -> None:
    """The frames and the ticket of a task."""
    frames, height, width, _ = video.rgb.shape
    for number, image in enumerate(video.rgb):
        with replacing(folder / f"{number:04d}.png") as file:
            Image.fromarray(image).save(file, "PNG")
    facts = {"ticket": ticket.text, "frames": frames, "height": height, "width": width, "sources": list(video.sources)}
    with replacing(folder / TASK) as file:
        file.write(json.dumps(facts, indent=1).encode() + b"\n")


def answerer(foreign: Foreign) -> Callable[[Video, Ticket], Prediction]:
    """How a foreign method answers: from its files, or by its program."""
    if foreign.command:
        return lambda video, ticket: _by_program(foreign, video, ticket)
    return lambda video, ticket: _from_folder(foreign, video, ticket)


def _from_folder(foreign: Foreign, video: Video, ticket: Ticket) -> Prediction:
    place = Path(foreign.predictions) / ticket.place
    if not foreign.adapter:
        return read_prediction(place.with_name(place.name + ".npz"), video, ticket)
    if not (place / TASK).is_file():
        raise UserError(f"no {place / TASK}: copy {TASK} of the input beside what the model wrote")
    try:
        told = json.loads((place / TASK).read_text(encoding="utf-8"))["ticket"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{place / TASK} is no task.json of benchmark.export_inputs ({error})") from error
    _check_ticket(str(told), ticket, place / TASK)
    return adapted(foreign.adapter, place, video)


def _by_program(foreign: Foreign, video: Video, ticket: Ticket) -> Prediction:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        given, wanted = Path(scratch) / "input", Path(scratch) / "output"
        write_input(given, video, ticket)
        if foreign.adapter:
            wanted.mkdir()
        else:
            wanted = wanted.with_suffix(".npz")
        _run(foreign, [part.replace("{input}", str(given)).replace("{output}", str(wanted))
                       for part in shlex.split(foreign.command)])  # fmt: skip
        if foreign.adapter:
            return adapted(foreign.adapter, wanted, video)
        return read_prediction(wanted, video, ticket)


def _run(foreign: Foreign, command: list[str]) -> None:
    """Run a program to its end. Raises `UserError` with its last words when it fails or takes too long."""
    try:
        program = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise UserError(f"the command cannot be run: {error}; its first word must be a program") from error
    try:
        said, _ = program.communicate(timeout=foreign.limit)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"the command took longer than {foreign.limit:g} s (--time-limit)") from error
    finally:
        _end(program)
    if program.returncode:
        words = " ".join(said.decode(errors="replace").split())[-SAID:]
        raise UserError(f"the command ended with status {program.returncode}: {words}")


def _end(program: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started."""
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    program.wait()


def read_prediction(path: Path, video: Video, ticket: Ticket) -> Prediction:
    """One answer in the layout above. Raises `UserError` when it is not there, unsafe, or to another question."""
    if not path.is_file():
        raise UserError(f"no answer at {path}")
    try:
        arrays = read_npz(path, largest_answers([video]))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} is no .npz of plain arrays ({error})") from error
    unknown = sorted(set(arrays) - set(DTYPES) - {"ticket", "note"})
    if unknown or "ticket" not in arrays:
        what = f"holds {unknown[0]!r}" if unknown else "has no ticket"
        raise UserError(f"{path} {what}; its arrays are ticket, {', '.join(DTYPES)}, note (see benchmark/foreign.py)")
    _check_ticket(str(arrays["ticket"]), ticket, path)
    claimed = {name: _cast(name, arrays[name]) for name in DTYPES if name in arrays}
    return Prediction(note=str(arrays.get("note", "")), **claimed)


def _cast(name: str, array: np.ndarray) -> Any:
    """Any floating point type to that of the record. Raises `UserError` for other kinds."""
    wanted = np.dtype(DTYPES[name])
    if array.dtype.kind != wanted.kind:
        raise UserError(f"{name} is {array.dtype}, not a numpy array of {wanted}")
    return array.astype(wanted)


def _check_ticket(told: str, ticket: Ticket, path: Path) -> None:
    try:
        theirs = json.loads(told)
        wrong = [f"{name} {theirs.get(name)!r}, not {mine!r}" for name, mine in asdict(ticket).items()
                 if theirs.get(name) != mine]  # fmt: skip
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path}: its ticket is not one of ours ({error}); copy it from task.json") from error
    if wrong:
        raise UserError(
            f"{path} answers another question ({'; '.join(wrong)}); export the inputs again with python -m "
            "benchmark.export_inputs and predict again"
        )


def adapted(adapter: str, folder: Path, video: Video) -> Prediction:
    """What a model wrote, in our conventions. Raises `UserError` for what the adapter cannot read."""
    module = import_module(f"benchmark.adapters.{adapter}")
    try:
        return module.read(folder, video)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{folder} is not what the adapter {adapter!r} reads ({reason}); see its docstring") from error
