"""The web demo, with a server that really listens, and with a browser that really uploads."""

import base64
import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import viser
from PIL import Image
from websockets.sync.client import connect

from tests.room import oracle, room
from vdpm.demo import Demo
from vdpm.errors import UserError
from vdpm.movies import write_movie
from vdpm.reconstruction.footage import Selection, read_footage
from vdpm.reconstruction.record import Reconstruction, load
from vdpm.reconstruction.run import Run, reconstruct

TRUTH = room(6, turn=0.4)
CHROMIUM = shutil.which("chromium")


def work(source: Path, out: Path, watch) -> Reconstruction:
    """As the network would, by one who knows the room; frames are recognised by their order."""
    footage = read_footage(source, Selection(), out)

    def predict(rgb):
        watch(1, 2)
        return oracle(TRUTH, TRUTH.rgb[: len(rgb)])

    return load(
        reconstruct(Run(predict=predict, method="oracle", folder=out, window=6), footage, {"source": source.name})
    )


@pytest.fixture
def demo(tmp_path) -> Iterator[Demo]:
    server = viser.ViserServer(host="127.0.0.1", port=8190, verbose=False)
    yield Demo(server, work, tmp_path)
    server.stop()


def movie(folder: Path) -> bytes:
    write_movie(folder / "a.mp4", list(TRUTH.rgb), rate=5)
    return (folder / "a.mp4").read_bytes()


def test_an_upload_becomes_a_scene(demo, tmp_path):
    demo.receive("my film.MP4", movie(tmp_path))
    assert demo.words.content.startswith("6 frames of 24x18") and demo.time.max == 5
    assert not demo.fetch.disabled and not demo.bar.visible and demo.bar.value == 50.0
    demo.play.value = True
    for _ in range(7):
        demo.step()
    assert demo.time.value == 1
    handles = {name: handle for name, handle in demo.server.scene._handle_from_node_name.items()}
    assert {"/points", "/camera", "/tracks"} <= handles.keys()


@pytest.mark.parametrize("name", ["a.mp4", "../../evil.sh;", "no ending", "<b>`x`.gif"])
def test_what_is_wrong_stands_on_the_page(name, demo, tmp_path):
    demo.receive(name, b"no video")
    assert "Not possible" in demo.words.content and "cannot read a video" in demo.words.content
    assert all(tmp_path in path.parents for path in tmp_path.rglob("video*"))
    assert not demo.busy.locked()


def test_surprises_do_not_stop_the_server(demo, tmp_path, capsys):
    def fails(source, out, watch):
        raise RuntimeError("boom")

    demo.work = fails
    demo.receive("a.mp4", b"x")
    assert "Something failed" in demo.words.content and "boom" in capsys.readouterr().err
    demo.work = work
    demo.receive("a.mp4", movie(tmp_path))
    assert demo.result is not None


def test_one_at_a_time(demo):
    with demo.busy:
        demo.receive("a.mp4", b"x")
        assert "wait" in demo.words.content


def test_files_are_handed_out(demo, tmp_path):
    sent = []

    class Event:
        class client:
            send_file_download = staticmethod(lambda name, content: sent.append((name, content)))

    demo.send(Event())
    demo.receive("a.mp4", movie(tmp_path))
    demo.files.value = "trajectory"
    demo.send(Event())
    assert [name for name, _ in sent] == ["trajectory.txt"] and sent[0][1].count(b"\n") == 6


def test_bad_flags(tmp_path):
    from vdpm.demo import Config, main

    with pytest.raises(UserError, match="--port 0"):
        main(Config(port=0))
    with pytest.raises(UserError, match="--limit 1"):
        main(Config(limit=1))


class Browser:
    """Chromium by its debugging protocol."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-background-networking", "--use-angle=swiftshader",
                   "--enable-unsafe-swiftshader", "--remote-debugging-port=0", "--window-size=1000,700",
                   f"--user-data-dir={folder}", "about:blank"]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = wait(lambda: (folder / "DevToolsActivePort").read_text().split() if
                    (folder / "DevToolsActivePort").exists() else None)  # fmt: skip
        self.socket = connect(f"ws://127.0.0.1:{port[0]}{port[1]}", max_size=None, proxy=None)
        self.number, self.session = 0, None
        target = next(t for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        self.socket.send(json.dumps({**message, **({"sessionId": self.session} if self.session else {})}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def picture(self) -> np.ndarray:
        data = self("Page.captureScreenshot", format="png")["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=20)


def wait(found, seconds: float = 90.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.2)
    raise TimeoutError


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_upload_reconstruct_look_in_a_browser(demo, tmp_path):
    """Through the page's own file input; the ball of the room is seen in the end."""
    movie(tmp_path)
    browser = Browser(tmp_path / "profile")
    try:
        browser("Page.navigate", url=f"http://127.0.0.1:{demo.server.get_port()}")

        def chooser() -> str | None:
            found = browser("Runtime.evaluate", expression="document.querySelector('input[type=file]')")
            return found["result"].get("objectId")

        browser("DOM.setFileInputFiles", files=[str(tmp_path / "a.mp4")], objectId=wait(chooser))
        wait(lambda: demo.result is not None and not demo.busy.locked())
        time.sleep(2.0)  # for the camera to be where it is sent
        (seen,) = wait(lambda: [picture] if _reds(picture := browser.picture()) > 50 else None)
        Image.fromarray(seen).save(tmp_path / "demo.png")
    finally:
        browser.close()


def _reds(picture: np.ndarray) -> int:
    """Pixels of the colour of the ball."""
    return int((np.abs(picture.astype(int) - [220, 60, 40]).max(axis=-1) < 40).sum())
