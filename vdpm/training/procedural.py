"""Analytic scenes for pre-training: solids that are tossed, slide or rest on a floor, with exact truth in closed form.

Endless, seeded and cheap: no mesh, no renderer, no file. A scene is a set of moving solids (`vdpm.training.stage`), its
pictures are ray casting with one light, shadows, highlights and solid textures; where every point is at any other time
follows from composing poses.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from vdpm.geometry import invert, pixel_centres, rays
from vdpm.training import augment, solids, textures
from vdpm.training.example import Example
from vdpm.training.solids import Solids
from vdpm.training.stage import FRAMES, Look, Scene, draw
from vdpm.training.windows import Window

__all__ = ["FRAMES", "example"]

NEAREST = 1e-3
"""Metres in front of a camera from which something can be seen."""


def example(rng: np.random.Generator, window: Window, size: int) -> Example:
    """A window of a new scene."""
    scene = draw(rng, np.array(window.frames), size)
    eyes = scene.world_from_camera[:, :3, 3]
    grid = pixel_centres(size, size).reshape(-1, 2)
    along = np.stack([
        pose[:3, :3] @ rays(K, grid).T for K, pose in zip(scene.K, scene.world_from_camera, strict=True)
    ]).astype(np.float32)  # fmt: skip
    origins = eyes.astype(np.float32)[:, :, None]
    body, depth = solids.first(scene.solids, scene.solids.world_from_body, origins, along)
    seen = body >= 0
    points = origins + np.where(seen, depth, 0.0)[:, None].astype(np.float32) * along
    place = to_bodies(scene.solids, body, points)
    colours = shade(scene, body, depth, points, place, along)
    shape = (len(eyes), size, size)
    pictures = augment.colours(rng, finish(rng, colours.reshape(shape[0], 3, size, size)))
    reference_from_world = invert(scene.world_from_camera[0])
    target = window.target
    here = moved(reference_from_world[None, None] @ scene.solids.world_from_body, body, place)
    at_target = np.broadcast_to(scene.solids.world_from_body[target], scene.solids.world_from_body.shape)
    there = moved(reference_from_world[None, None] @ at_target, body, place)
    in_target = moved(invert(scene.world_from_camera[target])[None, None] @ at_target, body, place)
    pixels = projected(in_target, scene.K[target])
    inside = ((pixels >= 0) & (pixels < size)).all(axis=1)
    visible = seen & inside & (in_target[:, 2] > NEAREST)
    visible[visible] = in_sight(scene, target, in_target.transpose(0, 2, 1)[visible])
    laid = {name: np.ascontiguousarray(value.transpose(0, 2, 1)) for name, value in (("here", here), ("there", there))}
    laid["pixels"] = np.ascontiguousarray(pixels.transpose(0, 2, 1))
    laid["pixels"][in_target[:, 2] <= NEAREST] = 0.0
    for values in laid.values():
        values[~seen] = 0.0
    return Example(
        name=f"procedural-{scene.name}",
        images=pictures,
        target=target,
        stamps=np.array(window.stamps, np.float32),
        here=laid["here"].reshape(*shape, 3),
        there=laid["there"].reshape(*shape, 3),
        pixels=laid["pixels"].reshape(*shape, 2),
        valid=seen.reshape(shape),
        known=seen.reshape(shape),
        visible=visible.reshape(shape),
        K=scene.K,
        reference_from_camera=reference_from_world @ scene.world_from_camera,
    )


def to_bodies(
    things: Solids, body: Int[np.ndarray, "S N"], points: Float32[np.ndarray, "S 3 N"]
) -> Float32[np.ndarray, "S 3 N"]:
    """World points in the frames of the bodies that they are on."""
    return moved(invert(things.world_from_body), body, points)


def moved(
    target_from_body: Float64[np.ndarray, "S B 4 4"], body: Int[np.ndarray, "S N"], place: Float32[np.ndarray, "S 3 N"]
) -> Float32[np.ndarray, "S 3 N"]:
    """Points by the transform of their body."""
    answer = np.empty_like(place)
    for frame, poses in enumerate(target_from_body):
        mine = poses[body[frame]].astype(np.float32)
        answer[frame] = np.einsum("nab,bn->an", mine[:, :3, :3], place[frame]) + mine[:, :3, 3].T
    return answer


def projected(points: Float32[np.ndarray, "S 3 N"], K: Float64[np.ndarray, "3 3"]) -> Float32[np.ndarray, "S 2 N"]:
    """Pixels of points in the camera frame; they mean nothing for what is not in front."""
    z = np.maximum(points[:, 2], np.float32(NEAREST))
    focal, middle = K[[0, 1], [0, 1]].astype(np.float32), K[:2, 2].astype(np.float32)
    return (focal[:, None] * points[:, :2] / z[:, None] + middle[:, None]).astype(np.float32)


def in_sight(scene: Scene, time: int, points: Float32[np.ndarray, "N 3"]) -> Bool[np.ndarray, " N"]:
    """Whether points in the camera of a frame are what their rays meet first then."""
    camera_from_body = (invert(scene.world_from_camera[time]) @ scene.solids.world_from_body[time])[None]
    _, length = solids.first(scene.solids, camera_from_body, np.zeros((1, 3, 1), np.float32), points.T[None].copy())
    return length[0] > 0.998


def shade(
    scene: Scene,
    body: Int[np.ndarray, "S N"],
    depth: Float32[np.ndarray, "S N"],
    points: Float32[np.ndarray, "S 3 N"],
    place: Float32[np.ndarray, "S 3 N"],
    along: Float32[np.ndarray, "S 3 N"],
) -> Float32[np.ndarray, "S 3 N"]:
    """Linear colours: texture times ambient, sun and shadow, and a highlight."""
    look, things = scene.look, scene.solids
    normal = solids.outward(things, body, place)
    turn = np.concatenate([things.world_from_body[..., :3, :3]], axis=0)
    upright = np.empty_like(normal)
    for frame in range(len(turn)):
        upright[frame] = np.einsum("nab,bn->an", turn[frame].astype(np.float32)[body[frame]], normal[frame])
    sun = scene.sun.astype(np.float32)
    facing = np.einsum("a,san->sn", sun, upright)
    lit = facing > 0
    start = points + 1e-3 * upright
    blocked, _ = solids.first(
        _without_rooms(things), _poses_without_rooms(things), start, np.broadcast_to(sun[None, :, None], start.shape)
    )
    direct = np.where(lit & (blocked < 0), facing, np.float32(0.0)) * np.float32(scene.power)
    ambient = np.float32(scene.ambient) * (0.6 + 0.4 * upright[:, 2])
    texture = albedo(look, body, depth * np.float32(1.0 / scene.K[0, 0, 0]), place)
    view = -along / np.sqrt(np.einsum("san,san->sn", along, along))[:, None]
    half = view + sun[None, :, None]
    half /= np.sqrt(np.einsum("san,san->sn", half, half))[:, None]
    shine = np.maximum(np.einsum("san,san->sn", half, upright), 0.0) ** look.sharpness.astype(np.float32)[body]
    highlight = look.gloss.astype(np.float32)[body] * shine * (direct > 0) * np.float32(scene.power)
    colours = texture * (direct + ambient)[:, None] + highlight[:, None]
    sky = scene.sky(along)
    return np.where((body < 0)[:, None], sky, colours).astype(np.float32)


def _without_rooms(things: Solids) -> Solids:
    keep = things.kinds != solids.Kind.ROOM
    return Solids(kinds=things.kinds[keep], half=things.half[keep], world_from_body=things.world_from_body[:, keep])


def _poses_without_rooms(things: Solids) -> Float64[np.ndarray, "S B 4 4"]:
    return things.world_from_body[:, things.kinds != solids.Kind.ROOM]


def albedo(
    look: Look,
    body: Int[np.ndarray, "S N"],
    pixel: Float32[np.ndarray, "S N"],
    place: Float32[np.ndarray, "S 3 N"],
) -> Float32[np.ndarray, "S 3 N"]:
    """Colour of the texture at places on bodies; `pixel` is the width of a pixel there, metres."""
    flat = body.ravel()
    at = place.transpose(1, 0, 2).reshape(3, -1)
    answer = np.zeros((flat.size, 3), np.float32)
    for layer in range(look.fields.shape[1]):
        repeats = look.repeats.astype(np.float32)[flat, layer]
        where = at * repeats + look.offsets.astype(np.float32)[flat, layer].T
        value = textures.look_up(look.fields[flat, layer], where, pixel.ravel() * repeats)
        if layer == 0:
            answer = look.palettes.astype(np.float32)[flat, (value * 255).astype(np.int32)]
        else:
            answer = answer * (1.0 + look.mottle.astype(np.float32)[flat] * (value - 0.5))[:, None]
    return answer.T.reshape(3, *body.shape).transpose(1, 0, 2)


def finish(rng: np.random.Generator, colours: Float32[np.ndarray, "S 3 H W"]) -> np.ndarray:
    """8-bit sRGB of linear colours: exposed, and as soft as the filter of a renderer makes them."""
    exposed = (
        colours * np.float32(0.25 / max(float(np.median(colours)), 0.05)) * np.float32(np.exp(rng.normal(0.0, 0.2)))
    )
    soft = _blurred(_blurred(exposed, 2), 3)
    curve = np.clip(soft, 0.0, 1.0) ** np.float32(1 / 2.2)
    return (255 * curve + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)


def _blurred(images: Float32[np.ndarray, "S 3 H W"], axis: int) -> Float32[np.ndarray, "S 3 H W"]:
    """1 6 1 along an axis."""
    before, after = np.roll(images, 1, axis=axis), np.roll(images, -1, axis=axis)
    edge = [slice(None)] * 4
    edge[axis] = slice(0, 1)
    before[tuple(edge)] = images[tuple(edge)]
    edge[axis] = slice(-1, None)
    after[tuple(edge)] = images[tuple(edge)]
    return (before + 6.0 * images + after) / 8.0
