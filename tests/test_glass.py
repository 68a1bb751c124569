"""Things of glass: what they do to images, that they do nothing to the truth, and that without any all stays as it was."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from generation.dataset import configuration_hash
from generation.glass import ROLES, glazed
from generation.make import Recipe
from tests.blender_glass import scene
from vdpm import derive, verify
from vdpm.clip import Clip
from vdpm.storage import read_shard

SHARD = Path(__file__).resolve().parents[1] / "benchmark/frozen/mini/kubric_f-000000.tar"
DEFAULT = {
    "seed": 0, "resolution": (256, 256), "frames": 24, "samples": 16, "motion_blur": 0.0, "depth_of_field": None,
    "device": "cpu", "engine": "cycles", "assets": None, "split": "train",
}  # fmt: skip
FAMILY = """
from generation.make import Recipe, make_clip
from vdpm.storage import encode
recipe = dict(seed=3, resolution=(96, 72), frames=2, samples=4)
plain = encode(make_clip("kubric_f", 0, Recipe(**recipe)))
clear = encode(make_clip("kubric_f", 0, Recipe(**recipe, glass=0.6)))
assert plain.keys() == clear.keys()
assert {name for name in plain if plain[name] != clear[name]} == {"meta.json", "rgb.0000.jpg", "rgb.0001.jpg"}
assert b'"glass"' not in plain["meta.json"] and clear["meta.json"].count(b'"material": "glass"') > 3
"""


def test_without_glass_a_recipe_is_what_it_was():
    recipe = Recipe(seed=0, resolution=(256, 256), frames=24, samples=16, split="train")
    assert recipe.facts() == DEFAULT
    assert configuration_hash(recipe.facts()) == configuration_hash(DEFAULT)
    assert replace(recipe, glass=0.25).facts() == {**DEFAULT, "glass": 0.25}


def test_without_glass_a_scene_is_what_it_was():
    plain = scene()
    assert glazed(plain, 0.0, np.random.default_rng(0)) is plain


def test_things_alone_turn_to_glass_and_nothing_but_their_looks_changes():
    plain = scene()
    clear = glazed(plain, 1.0, np.random.default_rng(0))
    for body, twin in zip(plain.bodies, clear.bodies, strict=True):
        assert (twin.material.pattern == "glass") == (body.facts["role"] in ROLES)
        assert replace(twin, material=body.material) == body
    assert replace(clear, bodies=plain.bodies) == plain


def test_a_share_is_a_share():
    plain = scene()
    many = replace(plain, bodies=plain.bodies[-1:] * 400)
    found = sum(body.material.pattern == "glass" for body in glazed(many, 0.3, np.random.default_rng(0)).bodies)
    assert 90 < found < 150


def test_a_ball_of_glass_turns_what_is_behind_it_round(tmp_path):
    out = tmp_path / "images.npz"
    subprocess.run([sys.executable, "-m", "tests.blender_glass", str(out)], check=True, capture_output=True)
    with np.load(out, allow_pickle=False) as arrays:
        clear, dull = (arrays[name].mean(axis=-1) for name in ("clear", "dull"))
    wall, ball = np.s_[20:28, 4:10], np.s_[20:28, 19:23]
    mirrored = [tuple((rows, slice(48 - columns.stop, 48 - columns.start))) for rows, columns in (wall, ball)]
    assert clear[mirrored[0]].mean() > 2 * clear[wall].mean()  # the wall is brighter on the right
    assert clear[ball].mean() > 1.5 * clear[mirrored[1]].mean()  # in the ball it is on the left
    assert dull[ball].mean() < 1.3 * dull[mirrored[1]].mean()


def test_what_is_seen_in_glass_says_nothing_of_where_bodies_end():
    """Images whose edges are two pixels off, in things of glass alone."""
    clip = next(iter(read_shard(SHARD)))
    body = np.stack([derive.bodies(clip, frame) for frame in range(len(clip.rgb))])
    grey = np.where(body > 0, 60 + 37 * np.maximum(body, 0) % 150, 100).astype(np.uint8)
    late = replace(clip, rgb=np.repeat(np.roll(grey, 2, axis=2)[..., None], 3, axis=-1))

    def made_of(glass: Callable[[int], bool]) -> Clip:
        facts = [{**facts, "material": "glass" if glass(k) else "noise"} for k, facts in enumerate(clip.meta["bodies"])]
        return replace(late, meta={**clip.meta, "bodies": facts})

    assert any("2 px right" in problem for problem in verify.images(made_of(lambda number: False)))
    assert any("2 px right" in problem for problem in verify.images(made_of(lambda number: number > 9)))
    assert not list(verify.images(made_of(lambda number: number > 0)))


@pytest.mark.slow
def test_ground_truth_is_the_same_bytes():
    done = subprocess.run([sys.executable, "-c", FAMILY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
