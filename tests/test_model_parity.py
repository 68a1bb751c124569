"""Our network against numbers that the public implementation answered with the same weights."""

import numpy as np
import pytest
import torch

from tests.network import CLOSE, fixture, off, stressed
from vdpm.geometry import invert
from vdpm.model import poses
from vdpm.model.network import Network
from vdpm.model.sizes import CAMERA, FULL, TINY

TAPS = {
    "patch_tokens": "aggregator.patch_embed",
    "agg_frame0": "aggregator.frame_blocks.0",
    "agg_global0": "aggregator.global_blocks.0",
    "dec_frame0": "decoder.frame_blocks.0.0",
    "dec_global0": "decoder.global_blocks.0.0",
}


@pytest.fixture(scope="module")
def answers():
    """Outputs for target times 0, 1, 2 and what passed the tapped modules at time 0."""
    network, passed, hooks = stressed(), {}, []
    for module in (*TAPS.values(), "aggregator", "decoder"):

        def keep(_module, _inputs, output, name=module):
            passed.setdefault(name, output)

        hooks.append(network.get_submodule(module).register_forward_hook(keep))
    images = torch.from_numpy(fixture("outputs")["images"])
    outputs = [network(images, torch.full((1, 3), time)) for time in range(3)]
    for hook in hooks:
        hook.remove()
    return outputs, passed


@pytest.mark.parametrize("tap", TAPS)
def test_what_passes_inside_is_equal(answers, tap):
    assert off(answers[1][TAPS[tap]], fixture("outputs")[f"tap/{tap}"]) < CLOSE


@pytest.mark.parametrize("level", range(4))
def test_levels_are_equal(answers, level):
    assert off(answers[1]["aggregator"][level], fixture("outputs")[f"tap/aggregated_{level}"]) < CLOSE
    assert off(answers[1]["decoder"][level], fixture("outputs")[f"tap/decoded_{level}_time0"]) < CLOSE


@pytest.mark.parametrize("time", range(3))
def test_maps_are_equal(answers, time):
    expected = fixture("outputs")
    (points, confidence), (moved, sure), _ = answers[0][time]
    assert off(points, expected["static_points"]) < CLOSE
    assert off(confidence, expected["static_conf"]) < CLOSE
    assert off(moved, expected["dynamic_points"][time]) < CLOSE
    assert off(sure, expected["dynamic_conf"][time]) < CLOSE


def test_cameras_are_equal_at_each_step(answers):
    expected = fixture("outputs")
    steps = answers[0][0][2]
    for step, reference in zip(steps, expected["pose_enc_list"], strict=True):
        assert off(step, reference) < CLOSE
    camera_from_world = poses.camera_from_world(steps[-1])
    assert off(camera_from_world, expected["extrinsic_w2c"]) < CLOSE
    assert off(poses.intrinsics(steps[-1], 42, 70), expected["intrinsic"]) < CLOSE
    square = np.concatenate([camera_from_world, np.tile([[[[0.0, 0, 0, 1]]]], (1, 3, 1, 1))], axis=-2)
    assert off(torch.from_numpy(invert(square)).float(), expected["extrinsic_c2w"]) < CLOSE


def test_encodings_of_cameras_are_equal():
    expected = {name: torch.from_numpy(array) for name, array in fixture("geometry").items()}
    height, width = expected["hw"].tolist()
    camera_from_world = poses.camera_from_world(expected["pose_enc"])
    K = poses.intrinsics(expected["pose_enc"], height, width)
    assert off(camera_from_world, expected["extrinsic_w2c"]) < CLOSE
    assert off(K, expected["intrinsic"]) < CLOSE
    assert off(poses.rotation(expected["pose_enc"][..., 3:7]), expected["quat_mat"]) < CLOSE
    assert off(poses.encoded(camera_from_world, K, height, width), expected["pose_enc_roundtrip"]) < CLOSE
    assert off(poses.quaternion(expected["rot_near"]), expected["rot_near_quat_xyzw"]) < CLOSE


def test_norms_have_the_epsilons_of_the_reference():
    """With ordinary activations a wrong one moves outputs by less than they are compared to."""
    norms = {name: module.eps for name, module in stressed().named_modules() if isinstance(module, torch.nn.LayerNorm)}
    small = {name for name in norms if name.startswith("aggregator.patch_embed.") or name == "camera_head.adaln_norm"}
    assert len(small) == 6
    assert norms == {name: 1e-6 if name in small else 1e-5 for name in norms}


def test_the_published_network_reads_the_published_levels():
    assert FULL.taps == (4, 11, 17, 23)


def test_cameras_are_refined_from_what_was_said_raw():
    """Fields of view below 0 are answered as 0 and remembered as they are; steps are not trained through each other."""
    network = Network(TINY)
    network.load_state_dict(stressed().state_dict())
    head, seen = network.camera_head, []
    head.pose_branch.fc2.bias.data[7:] = -2.0
    for module in (head.embed_pose, head.pose_branch):
        module.register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    encodings = head(network.aggregator(torch.from_numpy(fixture("outputs")["images"]))[-1, :, :, CAMERA])
    raw = torch.zeros(1, 3, 9)
    for (given, _), (_, change), encoding in zip(seen[0::2], seen[1::2], encodings, strict=True):
        assert (raw == 0).all() or (torch.equal(given, raw) and not given.requires_grad)
        raw = (raw + change).detach()
        assert raw[..., 7:].max() < 0 and raw[..., :7].min() < 0
        assert torch.equal(encoding, torch.cat((raw[..., :7], torch.zeros(1, 3, 2)), dim=-1))
