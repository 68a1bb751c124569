"""More published layouts, as `tests.layouts`: rooms, dense tracks, other people's cameras, videos."""

import gzip
import io
import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np

from generation.exports import movi as movi_export
from generation.exports._files import jpeg
from tests import layouts
from tests.layouts import Scene, coded, in_camera, save, tapvid3d_fields, write
from vdpm import derive
from vdpm.raycast import Seen, visibility


def worldtrack(root: Path, scene: Scene) -> None:
    """adt_mini/V.npz."""
    (root / "adt_mini").mkdir()
    np.savez(root / "adt_mini" / "A.npz", **tapvid3d_fields(scene, in_camera(scene), scene.followed.visible))


def worldtrack_pstudio(root: Path, scene: Scene) -> None:
    """pstudio_mini/V.npz: no extrinsics."""
    fields = tapvid3d_fields(scene, in_camera(scene), scene.followed.visible)
    del fields["extrinsics_w2c"]
    (root / "pstudio_mini").mkdir()
    np.savez(root / "pstudio_mini" / "A.npz", **fields)


def worldtrack_tum(root: Path, scene: Scene) -> None:
    """tum/V.npz with depth; K with the first centre at 0; 70 frames, of which 64 count."""
    fields = tapvid3d_fields(scene, in_camera(scene), scene.followed.visible)
    fields["fx_fy_cx_cy"] = scene.fx_fy_cx_cy(0.0)
    fields["depth_map"] = np.nan_to_num(scene.depth).astype(np.float32)
    (root / "tum").mkdir()
    np.savez(root / "tum" / "A.npz", **fields)


def dense4rc(root: Path, scene: Scene) -> None:
    """kubric/V.npz: every pixel of the first frame in the world, sky at the origin."""
    source, times = derive.hits(scene.clip, 0), range(len(scene.clip.rgb))
    positions = np.nan_to_num(derive.tracks(scene.clip, source))
    visible = np.stack([visibility(scene.clip, source, time) == Seen.VISIBLE for time in times])
    (root / "kubric").mkdir()
    np.savez(root / "kubric" / "A.npz", **tapvid3d_fields(scene, positions, visible))


def scannet_exported(root: Path, scene: Scene) -> None:
    """scene0707_00/{color,depth,pose}/%d; one frame in three is evaluated."""
    folder = root / "scene0707_00"
    for i in range(3 * len(scene.clip.rgb)):
        t = i // 3
        write(jpeg(scene.clip.rgb[t]), folder, "color", f"{i}.jpg")
        save(coded(scene.depth[t], 1000), folder, "depth", f"{i}.png")
        write(rows(scene.world_from_camera[t]), folder, "pose", f"{i}.txt")
    fx, fy, cx, cy = scene.fx_fy_cx_cy(0.0)
    K = np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    write(rows(K), folder, "intrinsic", "intrinsic_depth.txt")
    (root / "scene0711_00" / "color").mkdir(parents=True)  # one of the six


def scannet_prepared(root: Path, scene: Scene) -> None:
    """scene0707_00/{color_90/frame_%04d.jpg, depth_90/frame_%04d.png, pose_90.txt}, 16 numbers a row."""
    folder = root / "scene0707_00"
    for t, image in enumerate(scene.clip.rgb):
        write(jpeg(image), folder, "color_90", f"frame_{t:04d}.jpg")
        save(coded(scene.depth[t], 1000), folder, "depth_90", f"frame_{t:04d}.png")
    poses = scene.world_from_camera.reshape(-1, 16)
    write("".join(" ".join(f"{v:.10f}" for v in row) + "\n" for row in poses), folder, "pose_90.txt")


def rows(matrix: np.ndarray) -> str:
    """A matrix as text."""
    return "".join(" ".join(f"{value:.10f}" for value in row) + "\n" for row in matrix)


def seven_scenes(root: Path, scene: Scene) -> None:
    """chess/TestSplit.txt, chess/seq-03/frame-%06d.{color.png, depth.proj.png, pose.txt}; one frame in 20 differs."""
    folder = root / "chess" / "seq-03"
    write("sequence3\n", root, "chess", "TestSplit.txt")
    (root / "chess" / "seq-01").mkdir(parents=True)  # for training, not to be read
    for t, image in enumerate(scene.clip.rgb):
        stem = f"frame-{20 * t:06d}"
        color = save(image, folder, f"{stem}.color.png")
        depth = coded(scene.depth[t], 1000)
        save(np.where(depth == 0, 65535, depth).astype(np.uint16), folder, f"{stem}.depth.proj.png")
        write(rows(scene.world_from_camera[t]), folder, f"{stem}.pose.txt")
        for i in range(1, 20 if t + 1 < len(scene.clip.rgb) else 1):
            shutil.copy(color, folder / f"frame-{20 * t + i:06d}.color.png")


def nrgbd(root: Path, scene: Scene) -> None:
    """kitchen/{images/img%d.png, depth/depth%d.png, poses.txt}: OpenGL cameras; one frame in 40 is read."""
    folder = root / "kitchen"
    poses = []
    for t, image in enumerate(scene.clip.rgb):
        first = save(image, folder, "images", f"img{40 * t}.png")
        save(coded(scene.depth[t], 1000), folder, "depth", f"depth{40 * t}.png")
        copies = 40 if t + 1 < len(scene.clip.rgb) else 1
        for i in range(1, copies):
            shutil.copy(first, folder / "images" / f"img{40 * t + i}.png")
        poses += [scene.world_from_camera[t] @ np.diag([1.0, -1.0, -1.0, 1.0])] * copies
    write("".join(rows(pose) for pose in poses), folder, "poses.txt")
    write(f"{scene.clip.cameras.K[0, 0, 0]:.9f}\n", folder, "focal.txt")


def dynamic_replica(root: Path, scene: Scene) -> None:
    """test/frame_annotations_test.jgz and, per left frame, image, depth (float16 bits) and trajectories."""
    import torch

    base, frames = root / "test", []
    height, width = scene.clip.rgb.shape[1:3]
    flip, half = np.diag([-1.0, -1.0, 1.0]), np.array([width, height]) / 2
    for t, image in enumerate(scene.clip.rgb):
        K, camera_from_world = scene.clip.cameras.K[t], np.linalg.inv(scene.world_from_camera[t])
        viewpoint = {
            "R": (flip @ camera_from_world[:3, :3]).T.tolist(),
            "T": (flip @ camera_from_world[:3, 3]).tolist(),
            "focal_length": (K[[0, 1], [0, 1]] / half.min()).tolist(),
            "principal_point": ((half - K[:2, 2]) / half.min()).tolist(),
            "intrinsics_format": "ndc_isotropic",
        }
        save(image, base, "a_left", "images", f"a_left-{t:04d}.png")
        bits = np.nan_to_num(scene.depth[t]).astype(np.float16).view(np.uint16)
        save(bits, base, "a_left", "depths", f"a_left_{t:04d}.geometric.png")
        entry = {
            "sequence_name": "a",
            "camera_name": "left",
            "frame_number": t,
            "image": {"path": f"a_left/images/a_left-{t:04d}.png", "size": [height, width]},
            "depth": {"path": f"a_left/depths/a_left_{t:04d}.geometric.png", "scale_adjustment": 1.0},
            "viewpoint": viewpoint,
            "trajectories": {"path": f"a_left/trajectories/{t:06d}.pth"},
        }
        frames = [entry, *frames, {**entry, "camera_name": "right"}]  # neither in order nor alone
        buffer = io.BytesIO()
        tracks = {
            "traj_3d_world": torch.from_numpy(scene.followed.positions[t].astype(np.float32)),
            "verts_inds_vis": torch.from_numpy(scene.followed.visible[t]),
            "traj_2d": torch.zeros(len(scene.followed.frames), 3),
            "img": torch.from_numpy(image.copy()),
        }
        torch.save(tracks, buffer)
        write(buffer.getvalue(), base, "a_left", "trajectories", f"{t:06d}.pth")
    write(gzip.compress(json.dumps(frames).encode()), base, "frame_annotations_test.jgz")


def mp4(path: Path, images: list[np.ndarray]) -> None:
    """A video that loses little."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "6", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], "yuv444p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def unreal(pose: np.ndarray) -> dict[str, float]:
    """Yaw, pitch, roll in degrees and x, y, z in centimetres of a camera, in Unreal's left-handed world.

    From Unreal's own definition of its axes by the angles: forward = (cos p cos y, cos p sin y, sin p), and a positive roll
    lowers the right side.
    """
    left_handed = np.diag([1.0, -1.0, 1.0]) @ pose[:3]
    right, down, forward = left_handed[:, 0], left_handed[:, 1], left_handed[:, 2]
    return {
        "yaw": float(np.degrees(np.arctan2(forward[1], forward[0]))),
        "pitch": float(np.degrees(np.arcsin(forward[2]))),
        "roll": float(np.degrees(np.arctan2(-right[2], -down[2]))),
        **dict(zip("xyz", (left_handed[:, 3] * 100).tolist(), strict=True)),
    }


def syn4d(root: Path, scene: Scene) -> None:
    """benchmark/data/tracking_gt/V/S/Q.npy and benchmark/challenge_eval/V/S/{mp4, ground_truth, exr_layers}."""
    import OpenEXR

    stem, index = "seq_000000_0", 6 * np.arange(len(scene.clip.rgb))
    folder = root / "benchmark" / "challenge_eval" / "mixed" / "office"
    mp4(folder / "mp4" / f"{stem}.mp4", [scene.clip.rgb[i // 6] for i in range(int(index[-1]) + 1)])
    lines = ["name,x,y,z,yaw,pitch,roll"]
    for t, frame in enumerate(index):
        numbers = unreal(scene.world_from_camera[t])
        values = ",".join(f"{numbers[key]:.9f}" for key in ("x", "y", "z", "yaw", "pitch", "roll"))
        lines.append(f"png/{stem}/{stem}_{frame:04d}.png,{values}")
        path = folder / "exr_layers" / "depth" / stem / f"{stem}_{frame:04d}_depth.exr"
        path.parent.mkdir(parents=True, exist_ok=True)
        depth = (np.nan_to_num(scene.depth[t]) * 100).astype(np.float32)
        with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"Depth": depth}) as file:
            file.write(str(path))
    write("\n".join(lines) + "\n", folder, "ground_truth", "meta_exr_csv", f"{stem}_camera.csv")
    seen = scene.followed.visible[0]
    positions = (scene.followed.positions[:, seen] - scene.world_from_camera[0, :3, 3]) @ scene.world_from_camera[
        0, :3, :3
    ]
    first = positions[0] @ scene.clip.cameras.K[0].T
    arrays = {
        "tracks_ref0": positions.astype("<f4"),
        "visibility": scene.followed.visible[:, seen],
        "dynamic": np.zeros(seen.sum(), bool),
        "query_uv": (first[:, :2] / first[:, 2:]).astype("<f4"),
        "frame_indices": index.astype("<i4"),
        "intrinsics": scene.fx_fy_cx_cy(0.5),
        "image_size": np.array(scene.clip.rgb.shape[1:3], "<i4"),
    }
    kinds = [("schema", "U32"), ("sequence_id", "U160")] + [(n, a.dtype, a.shape) for n, a in arrays.items()]
    scalar = np.zeros((), np.dtype(kinds))
    scalar["schema"], scalar["sequence_id"] = "syn4d-tracking-gt-v1", f"mixed/office/{stem}"
    for name, array in arrays.items():
        scalar[name] = array
    path = root / "benchmark" / "data" / "tracking_gt" / "mixed" / "office" / f"{stem}.npy"
    path.parent.mkdir(parents=True)
    np.save(path, scalar, allow_pickle=False)


def frames(root: Path, scene: Scene) -> None:
    """walk/7.png ... walk/14.png: numbers without leading zeros."""
    for t, image in enumerate(scene.clip.rgb):
        save(image, root, "walk", f"{t + 7}.png")


def movi(root: Path, scene: Scene) -> None:
    """As it is exported."""
    movi_export.write(scene.clip, root, np.random.default_rng(0))


def shards(root: Path, scene: Scene) -> None:
    """A shard of one clip, shortened."""
    from vdpm.storage import encode, write_shard

    write_shard(root / "clips-000000.tar", [(scene.clip.name, encode(scene.clip))])


WRITERS = layouts.WRITERS | {
    "dense4rc:kubric": dense4rc,
    "dynamic_replica": dynamic_replica,
    "frames": frames,
    "movi": movi,
    "nrgbd:step40": nrgbd,
    "scannet": scannet_prepared,
    "scannet:exported": scannet_exported,
    "seven_scenes:step20": seven_scenes,
    "shards": shards,
    "syn4d": syn4d,
    "worldtrack": worldtrack,
    "worldtrack:pstudio_mini": worldtrack_pstudio,
    "worldtrack:tum": worldtrack_tum,
}
