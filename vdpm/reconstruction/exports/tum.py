"""The trajectory as TUM's evaluation tools and evo read it: trajectory.txt."""

from pathlib import Path

from scipy.spatial.transform import Rotation

from vdpm.files import replacing
from vdpm.reconstruction.record import Reconstruction


def write(reconstruction: Reconstruction, folder: Path) -> Path:
    """Lines of `seconds tx ty tz qx qy qz qw`, world_from_camera."""
    poses = reconstruction.world_from_camera
    turns = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    lines = [
        f"{time:.6f} " + " ".join(f"{value:.9g}" for value in (*pose[:3, 3], *turn))
        for time, pose, turn in zip(reconstruction.seconds, poses, turns, strict=True)
    ]
    path = folder / "trajectory.txt"
    with replacing(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
    return path
