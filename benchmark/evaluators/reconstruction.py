"""Point clouds of static scenes: accuracy, completion, chamfer, normal consistency, F-score.

As Spann3R, CUT3R, Pi3 and 4RC measure them: all valid pixels of all views in one cloud, aligned by a Sim(3) on
corresponding pixels (`align.similarity`), then by point-to-point ICP; distances to the nearest point of the other cloud.
Lengths in metres. Neighbours come from scipy's KD-tree, and the parts that those codes take from Open3D (ICP, normals)
are written out with its defaults.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.spatial import KDTree

from benchmark.align import similarity

ICP_METRES = 0.1
"""Pairs farther apart than this are ignored; the codes take 100 for DTU, which is in millimetres."""
ICP_ROUNDS = 30
ICP_CHANGE = 1e-6
NORMAL_NEIGHBOURS = 30
"""All three are Open3D's defaults."""

Cloud = Float64[np.ndarray, "N 3"]
Target = Float64[np.ndarray, "M 3"]


@dataclass(frozen=True, kw_only=True)
class CloudErrors:
    """Means and medians of nearest distances and normal agreements."""

    accuracy: float
    accuracy_median: float
    completion: float
    completion_median: float
    normals: float
    """Mean of NC1 and NC2, the mean |n n'| of nearest pairs in either direction."""
    normals_median: float
    f_score: float
    """Harmonic mean of the shares of distances below the threshold, strictly."""

    @property
    def chamfer(self) -> float:
        """Also called overall."""
        return (self.accuracy + self.completion) / 2


def align(prediction: Float[np.ndarray, "N 3"], truth: Float[np.ndarray, "N 3"]) -> Float64[np.ndarray, "N 3"]:
    """The prediction after the least squares Sim(3) over corresponding points (Umeyama 1991), as Pi3."""
    source = prediction.astype(np.float64)
    fit = similarity(source, truth.astype(np.float64))
    return fit.scale * source @ fit.rotation.T + fit.translation


def icp(source: Cloud, target: Target, reach: float = ICP_METRES) -> Cloud:
    """Point-to-point ICP from the identity, rigid: the moved source.

    At most 30 rounds; it stops when the share of source points with a neighbour within reach, and the rmse of their
    distances, both change by less than 1e-6.
    """
    tree, moved = KDTree(target), source
    previous = _nearest(tree, moved, reach)
    for _ in range(ICP_ROUNDS):
        distance, index = previous
        near = np.isfinite(distance)
        if np.count_nonzero(near) < 3:
            break
        rotation, shift = _rigid(moved[near], target[index[near]])
        moved = moved @ rotation.T + shift
        current = _nearest(tree, moved, reach)
        if np.abs(np.subtract(_fitness(current[0]), _fitness(distance))).max() < ICP_CHANGE:
            break
        previous = current
    return moved


def _nearest(tree: KDTree, points: Cloud, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance (inf beyond reach) and index."""
    distance, index = tree.query(points, distance_upper_bound=reach)
    return np.asarray(distance), np.asarray(index)


def _fitness(distance: np.ndarray) -> tuple[float, float]:
    near = distance[np.isfinite(distance)]
    return len(near) / len(distance), float(np.sqrt(np.mean(near**2))) if len(near) else 0.0


def _rigid(source: Cloud, target: Cloud) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and shift of the least squares rigid motion (Umeyama without scale)."""
    mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((target - target_mean).T @ (source - mean))
    rotation = (u * [1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return rotation, target_mean - rotation @ mean


def normals(cloud: Cloud) -> Cloud:
    """Direction of least spread among the 30 nearest points, the point itself included; the sign is arbitrary."""
    count = min(NORMAL_NEIGHBOURS, len(cloud))
    _, index = KDTree(cloud).query(cloud, k=count)
    around = cloud[np.asarray(index).reshape(len(cloud), count)]
    around = around - around.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(np.einsum("nka,nkb->nab", around, around))
    return vectors[..., 0]


def cloud_errors(prediction: Cloud, truth: Target, threshold: float = 0.05) -> CloudErrors:
    """The numbers of an aligned cloud; the mean over scenes is the number of a data set."""
    forth, there = KDTree(truth).query(prediction)
    back, here = KDTree(prediction).query(truth)
    normal, true_normal = normals(prediction), normals(truth)
    first = np.abs(np.einsum("na,na->n", normal, true_normal[there]))
    second = np.abs(np.einsum("na,na->n", true_normal, normal[here]))
    precision, recall = float(np.mean(forth < threshold)), float(np.mean(back < threshold))
    return CloudErrors(
        accuracy=float(np.mean(forth)),
        accuracy_median=float(np.median(forth)),
        completion=float(np.mean(back)),
        completion_median=float(np.median(back)),
        normals=float(first.mean() + second.mean()) / 2,
        normals_median=float(np.median(first) + np.median(second)) / 2,
        f_score=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    )
