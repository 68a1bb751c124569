"""Which weights are read when nobody names any."""

import os
from pathlib import Path

WEIGHTS = "VDPM_WEIGHTS"
"""Environment variable that names weights: a file, a folder, or a repository of the Hugging Face hub."""
SHIPPED = Path(__file__).parents[1] / "weights" / "small"
"""Those that come with the package, of a compact variant of the network; how they were made stands in their README.md."""


def default_weights() -> str:
    """What the variable names, or those that come with the package."""
    return os.environ.get(WEIGHTS) or str(SHIPPED)
