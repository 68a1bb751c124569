"""V-DPM (arXiv 2601.09499): dynamic point maps of a whole video from one network, small weights of ours or any others.

Without VDPM_WEIGHTS (or --weights) these are the weights that come with the package, of a light variant of the network
(`vdpm/weights/small/README.md`). The published ones are edgarsucar/vdpm on the Hugging Face hub.
"""

import os
from collections.abc import Callable

from vdpm.clip import Prediction, Video
from vdpm.errors import UserError
from vdpm.model.default import default_weights

VERSION = "5"
WEIGHTS = "VDPM_WEIGHTS"


def load() -> Callable[[Video], Prediction]:
    from vdpm.model.device import best_device
    from vdpm.model.model import Model
    from vdpm.model.predict import predict

    device = best_device()
    try:
        half = device.type == "cuda"  # as published
        model = Model.from_pretrained(default_weights(), device=device, bfloat16=half)
    except UserError as error:
        what = f"variable {WEIGHTS}, without which those of the package serve" if WEIGHTS in os.environ else "package"
        raise UserError(f"method 'vdpm' needs weights, named in the {what}: {error}") from error
    return lambda video: predict(model, video)
