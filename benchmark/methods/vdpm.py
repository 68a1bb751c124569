"""V-DPM (arXiv 2601.09499): dynamic point maps of a whole video from one network, small weights of ours or any others.

Without VDPM_WEIGHTS (or --weights) these are the weights that come with the package, of a light variant of the network
(`vdpm/weights/tiny/README.md`). The published ones are edgarsucar/vdpm on the Hugging Face hub.
"""

import os
from collections.abc import Callable
from pathlib import Path

from vdpm.clip import Prediction, Video
from vdpm.errors import UserError

VERSION = "2"
WEIGHTS = "VDPM_WEIGHTS"
"""Environment variable that names them: a file, a folder, or a repository of the Hugging Face hub."""


def load() -> Callable[[Video], Prediction]:
    import vdpm.weights
    from vdpm.model.device import best_device
    from vdpm.model.model import Model
    from vdpm.model.predict import predict

    device, shipped = best_device(), Path(vdpm.weights.__path__[0]) / "tiny"
    named = os.environ.get(WEIGHTS)
    try:
        half = device.type == "cuda"  # as published
        model = Model.from_pretrained(named or shipped, device=device, bfloat16=half)
    except UserError as error:
        what = f"variable {WEIGHTS}, without which those of the package serve" if named else "package"
        raise UserError(f"method 'vdpm' needs weights, named in the {what}: {error}") from error
    return lambda video: predict(model, video)
