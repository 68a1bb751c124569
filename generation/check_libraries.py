"""Is every shared library there that Blender's wheel links but does not carry? Arguments: the Debian packages to name.

Asks `ldd` and not `import bpy`, which names only the first one that is missing. Called once, by the Makefile.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path


def missing_libraries() -> list[str]:
    """Sonames that the dynamic linker does not find for Blender."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        sys.exit("error: bpy is not installed: pip install -e '.[generation]'")
    listing = subprocess.run(["ldd", Path(spec.origin)], capture_output=True, text=True, check=True).stdout
    return sorted({line.split()[0] for line in listing.splitlines() if "not found" in line})


if __name__ == "__main__":
    if missing := missing_libraries():
        packages = " ".join(sys.argv[1:])
        sys.exit(f"error: Blender lacks {', '.join(missing)}: run 'apt-get install {packages}', then make again")
