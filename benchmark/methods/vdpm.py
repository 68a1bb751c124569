"""V-DPM (arXiv 2601.09499): dynamic point maps of a whole video from one network, with the published weights."""

import os
from collections.abc import Callable

from vdpm.clip import Prediction, Video
from vdpm.errors import UserError

VERSION = "1"
NEEDS = "weights"
WEIGHTS = "VDPM_WEIGHTS"
"""Environment variable that names them: a file, a folder, or a repository of the Hugging Face hub."""
PUBLISHED = "edgarsucar/vdpm"


def load() -> Callable[[Video], Prediction]:
    from vdpm.model.device import best_device
    from vdpm.model.model import Model
    from vdpm.model.predict import predict

    device = best_device()
    try:
        half = device.type == "cuda"  # as published
        model = Model.from_pretrained(os.environ.get(WEIGHTS, PUBLISHED), device=device, bfloat16=half)
    except UserError as error:
        raise UserError(f"method 'vdpm' needs weights, named in the variable {WEIGHTS}: {error}") from error
    return lambda video: predict(model, video)
