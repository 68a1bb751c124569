"""A page for those who prefer a browser: upload a video, reconstruct it, look at it in 4D, take the files home.

    python -m vdpm.demo

Then open the address that it prints. It listens on this machine only, works on one video at a time, and shows the same
scene to everyone who looks.
"""

import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

from vdpm.errors import UserError, run_command
from vdpm.model.default import default_weights
from vdpm.reconstruction.cloud import frame_points, tails
from vdpm.reconstruction.exporting import export
from vdpm.reconstruction.footage import Selection
from vdpm.reconstruction.record import Reconstruction
from vdpm.reconstruction.session import Session
from vdpm.reconstruction.similarity import quaternion

if TYPE_CHECKING:
    import viser

POINTS = 30_000
"""Of a frame."""
TAIL = 8
"""Times that a track reaches back."""
FILES = {"viewer page": "html", "glTF with motion": "glb", "trajectory": "tum"}
"""What can be taken home, each one file."""
HINT = "Upload a video. A few seconds are enough; frames are taken 5 times a second."


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    weights: str = default_weights()
    """A file, a folder, or a repository of the Hugging Face hub; also from the variable VDPM_WEIGHTS. Else small ones of ours."""
    port: int = 8080
    """Of the page."""
    host: str = "127.0.0.1"
    """0.0.0.0 lets other machines in, without a password."""
    fps: float = 5.0
    """Frames a second that are taken of a video; 0 takes all."""
    limit: int = 100
    """Refuse videos of more frames than this."""
    side: int = 518
    """Longer side of the results in pixels."""
    window: int = 24
    """Frames that the network sees at once."""


Work = Callable[[Path, Path, Callable[[int, int], None]], Reconstruction]
"""How a video becomes a reconstruction: its file, a folder for the results, and whom to tell of windows done and all."""


class Demo:
    """The page: its controls, and the reconstruction that it shows."""

    def __init__(self, server: "viser.ViserServer", work: Work, folder: Path) -> None:
        self.server, self.work, self.folder = server, work, folder
        self.result: Reconstruction | None = None
        self.busy = threading.Lock()
        server.scene.set_up_direction("-y")
        gui = server.gui
        self.upload = gui.add_upload_button("Upload a video", mime_type="video/*,image/gif")
        self.words = gui.add_markdown(HINT)
        self.bar = gui.add_progress_bar(0.0, visible=False)
        self.time = gui.add_slider("time", 0, 1, 1, 0, disabled=True)
        self.play = gui.add_checkbox("play", False, disabled=True)
        self.size = gui.add_slider("point size", 0.2, 5.0, 0.1, 1.0)
        self.files = gui.add_dropdown("file", tuple(FILES))
        self.fetch = gui.add_button("Download", disabled=True)
        self.upload.on_upload(lambda event: self.receive(event.target.value.name, event.target.value.content))
        self.time.on_update(lambda _: self.show())
        self.size.on_update(lambda _: self.show())
        self.fetch.on_click(self.send)

    def receive(self, name: str, content: bytes) -> None:
        """Reconstruct an uploaded file; what is wrong with it stands on the page."""
        if not self.busy.acquire(blocking=False):
            self.words.content = "One video at a time: wait for this one."
            return
        self.bar.visible, self.bar.value = True, 0.0
        try:
            self.words.content = "Working ..."
            self.result = self._worked(name, content)
            self._ready(self.result)
        except UserError as error:
            self.words.content = f"**Not possible:** {_plain(str(error))}"
        except Exception as error:
            self.words.content = "**Something failed**; the terminal says what."
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            self.bar.visible = False
            self.busy.release()

    def _worked(self, name: str, content: bytes) -> Reconstruction:
        """In a folder of its own; of the name that a browser sends, only the ending is used."""
        out = Path(tempfile.mkdtemp(dir=self.folder))
        ending = Path(name).suffix.lower()
        source = out / f"video{ending if ending[1:].isalnum() else ''}"
        source.write_bytes(content)
        return self.work(source, out, self._watch)

    def _watch(self, done: int, of: int) -> None:
        self.bar.value = 100.0 * done / of

    def _ready(self, result: Reconstruction) -> None:
        height, width = result.rgb.shape[1:3]
        self.words.content = f"{len(result.rgb)} frames of {width}x{height}. Lengths are in the network's own unit."
        self.time.max = len(result.rgb) - 1
        self.time.value = 0
        for control in (self.time, self.play, self.fetch):
            control.disabled = False
        self.show()
        self._look(float(np.median(np.abs(result.depth[0]))))

    def _look(self, far: float) -> None:
        """From behind the first camera, and above it, at what it sees."""
        for client in self.server.get_clients().values():
            client.camera.up_direction = np.array([0.0, -1.0, 0.0])
            client.camera.position = np.array([0.2, -0.25, -0.4]) * far
            client.camera.look_at = np.array([0.0, 0.0, far])

    def show(self) -> None:
        """Draw the chosen time."""
        if self.result is None:
            return
        frame = min(int(self.time.value), len(self.result.rgb) - 1)
        points = frame_points(self.result, frame, POINTS)
        extent = float(np.median(np.abs(self.result.depth[frame])))
        with self.server.atomic():
            self.server.scene.add_point_cloud(
                "/points",
                points.place,
                points.colour,
                point_size=self.size.value * extent / self.result.K[frame, 0, 0] * _spacing(self.result),
                point_shape="circle",
            )
            self._camera(self.result, frame, extent)
            self._tracks(self.result, frame)

    def _camera(self, result: Reconstruction, frame: int, extent: float) -> None:
        height, width = result.rgb.shape[1:3]
        pose = result.world_from_camera[frame]
        self.server.scene.add_camera_frustum(
            "/camera",
            fov=float(2 * np.arctan(height / 2 / result.K[frame, 1, 1])),
            aspect=width / height,
            scale=0.1 * extent,
            image=np.asarray(result.rgb[frame]),
            wxyz=quaternion(pose[:3, :3]),
            position=pose[:3, 3],
        )

    def _tracks(self, result: Reconstruction, frame: int) -> None:
        lines = tails(result, frame, TAIL)
        pairs = np.stack([lines[:, :-1], lines[:, 1:]], axis=2).reshape(-1, 2, 3)
        colours = np.broadcast_to(np.array([255, 140, 0], np.uint8), pairs.shape)
        self.server.scene.add_line_segments("/tracks", pairs, colours, thickness=2.0, thickness_units="screen")

    def send(self, event: Any) -> None:
        """Hand out the chosen file."""
        if self.result is not None and event.client is not None:
            path = export(FILES[self.files.value], self.result, Path(tempfile.mkdtemp(dir=self.folder)))
            event.client.send_file_download(path.name, path.read_bytes())

    def step(self) -> None:
        """The next time, if it plays."""
        if self.play.value and self.result is not None:
            self.time.value = (int(self.time.value) + 1) % len(self.result.rgb)


def _spacing(result: Reconstruction) -> float:
    """Pixels between points that are drawn."""
    return max(1.0, float(np.sqrt(np.prod(result.rgb.shape[1:3]) / POINTS)))


def _plain(text: str) -> str:
    """Names of files are no markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|!()$" else letter for letter in text)


def main(config: Config) -> None:
    """Serve until interrupted."""
    try:
        import viser
    except ImportError as error:
        raise UserError("the demo needs viser: pip install '.[webdemo]'") from error
    if not 0 < config.port < 65536:
        raise UserError(f"--port {config.port}: must be 1 to 65535")
    selection = Selection(fps=config.fps, limit=config.limit, side=config.side)
    selection.check(Path())
    session = Session.start(config.weights, config.window)
    with tempfile.TemporaryDirectory() as folder:
        server = viser.ViserServer(host=config.host, port=config.port, label="Open 4D", verbose=False)
        print(f"open http://{config.host}:{server.get_port()} in a browser; Ctrl-C stops")
        demo = Demo(
            server, lambda source, out, watch: session.reconstruct(source, selection, out, watch=watch), Path(folder)
        )
        while not threading.Event().wait(1 / 8):
            demo.step()


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
