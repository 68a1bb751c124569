"""What Blender has to know of a motion besides its frames for a shutter that is open around them."""

from typing import Any

import numpy as np
from jaxtyping import Float32


def go_on(thing: Any) -> None:
    """Let key frames of an object, and of its lens if it is a camera, go on straight before the first and after the last
    frame, where the shutter is open too."""
    for animated in (thing, thing.data):
        animation = getattr(animated, "animation_data", None)
        for curve in animation.action.fcurves if animation and animation.action else ():
            curve.extrapolation = "LINEAR"


def deform(thing: Any, shapes: Float32[np.ndarray, "T V 3"]) -> None:
    """Give an object its vertices frame by frame, moving evenly in between and going on so for a frame at both ends.

    Shape keys on an absolute scale: Blender counts ten to a key.
    """
    first, last = 2 * shapes[:1] - shapes[1:2], 2 * shapes[-1:] - shapes[-2:-1]
    for frame, vertices in enumerate(np.concatenate([shapes[:1], first, shapes, last]), start=-2):
        block = thing.shape_key_add(name=str(frame), from_mix=False)
        block.interpolation = "KEY_LINEAR"
        block.data.foreach_set("co", np.ascontiguousarray(vertices.reshape(-1), np.float32))
    keys = thing.data.shape_keys
    keys.use_relative = False
    for frame in (-1, len(shapes)):
        keys.eval_time = keys.key_blocks[frame + 2].frame
        keys.keyframe_insert("eval_time", frame=frame)
    for point in keys.animation_data.action.fcurves[0].keyframe_points:
        point.interpolation = "LINEAR"
