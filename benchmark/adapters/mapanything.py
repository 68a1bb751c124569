"""MapAnything (arXiv 2509.13414): metric points and cameras of all frames; it follows no points.

Install: github.com/facebookresearch/map-anything and facebook/map-anything. After
`outputs = model.infer(load_images(folder), memory_efficient_inference=False)`,

    np.savez(out / "answer.npz", points=np.concatenate([view["pts3d_cam"].cpu().numpy() for view in outputs]),
             pose=np.concatenate([view["camera_poses"].cpu().numpy() for view in outputs]))

Conventions: points (T, h, w, 3) in the camera of their frame, metres; poses world_from_camera, OpenCV. Frames are resized to
cover the picture and cut about the middle. The lens is fitted to the points. Written from the published code and tested on synthetic outputs; never run with the weights.
"""

from pathlib import Path

from benchmark import adapting
from vdpm.clip import Prediction, Video


def read(folder: Path, video: Video) -> Prediction:
    """Depth is z of the points, the lens is fitted to them."""
    found = adapting.arrays(folder / "answer.npz")
    points, pose = found["points"], adapting.poses(found["pose"])
    view = covering(video, points.shape[1:3])
    K = view.intrinsics(adapting.lens_of(points), centre_at_zero=False)
    return adapting.from_points(video, view.back(points, trailing=1), K, pose)


def covering(video: Video, picture: tuple[int, ...]) -> adapting.View:
    """The smallest resizing that covers the picture, which is then cut out of the middle."""
    height, width = video.rgb.shape[1:3]
    scale = max(picture[0] / height, picture[1] / width)
    resized = (max(picture[0], round(height * scale)), max(picture[1], round(width * scale)))
    return adapting.View(video, picture, resized)
