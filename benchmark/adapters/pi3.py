"""Pi3 (arXiv 2507.13347): a point map and a camera for each frame, without a reference frame; it follows no points.

Install: github.com/yyfz/Pi3 and yyfz233/Pi3. After `result = model(images)` on the frames of a task,

    np.savez(out / "answer.npz", points=result["local_points"][0].cpu().numpy(),
             pose=result["camera_poses"][0].cpu().numpy())

Conventions: points (T, h, w, 3) in the camera of their frame, poses world_from_camera, OpenCV. The picture is the whole frame,
stretched to multiples of 14. There is no lens: it is fitted to the points. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

from benchmark import adapting
from vdpm.clip import Prediction, Video


def read(folder: Path, video: Video) -> Prediction:
    """Depth is z of the points, the lens is fitted to them."""
    found = adapting.arrays(folder / "answer.npz")
    points, pose = found["points"], adapting.poses(found["pose"])
    view = adapting.View(video, points.shape[1:3])
    K = view.intrinsics(adapting.lens_of(points), centre_at_zero=False)
    return adapting.from_points(video, view.back(points, trailing=1), K, pose)
