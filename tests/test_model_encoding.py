"""Doing less work gives the same: encodings against the plain run, and the laws that the network obeys."""

import pytest
import torch

from tests.network import CLOSE, fixture, images, off, stressed
from vdpm.errors import UserError
from vdpm.model import encoding, plain, poses
from vdpm.model.kept import kept
from vdpm.model.model import Model
from vdpm.model.network import Network
from vdpm.model.rope import rope
from vdpm.model.sizes import TINY

CPU = torch.device("cpu")
SHAPES = [(1, 4, 42, 70), (2, 3, 70, 28), (1, 1, 56, 56), (1, 10, 28, 14)]
"""Batch, frames, height, width: landscape, portrait and more than one video, the size of the embedding, long."""


def model(**facts) -> Model:
    return Model(network=facts.pop("network", stressed()), device=CPU, bfloat16=facts.pop("bfloat16", False))


def encode(shape: tuple[int, int, int, int]) -> encoding.Encoding:
    return model().encode(images(*shape))


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def both(request) -> tuple[encoding.Encoding, plain.Plain]:
    return encode(request.param), plain.infer(stressed(), images(*request.param))


def test_plain_is_the_reference():
    expected = fixture("outputs")
    answers = plain.infer(stressed(), torch.from_numpy(expected["images"]))
    assert off(answers.points, expected["dynamic_points"]) < CLOSE
    assert off(answers.confidence, expected["dynamic_conf"]) < CLOSE
    assert off(answers.poses, expected["pose_enc"]) < CLOSE


def test_everything_is_as_in_the_plain_run(both):
    lazy, full = both
    for maps, points, confidence in zip(lazy.decode(), full.points, full.confidence, strict=True):
        assert off(maps.points, points) < CLOSE
        assert off(maps.confidence, confidence) < CLOSE
    assert off(lazy.poses(), full.poses) < CLOSE


def test_some_times_and_frames_are_as_in_the_plain_run(both):
    lazy, full = both
    last = lazy.frames - 1
    for frames in ([last], [last, 0], list(range(lazy.frames))):
        for time, maps in zip([last, 0], lazy.decode(times=[last, 0], frames=frames), strict=True):
            assert off(maps.points, full.points[time][:, frames]) < CLOSE
            assert off(maps.confidence, full.confidence[time][:, frames]) < CLOSE


@pytest.mark.parametrize("room", [1, 10**9])
def test_times_may_share_a_pass(both, monkeypatch, room):
    lazy, full = both
    monkeypatch.setitem(encoding.TOKENS_AT_ONCE, "cpu", room)
    for time, maps in enumerate(lazy.decode(frames=[0])):
        assert off(maps.points, full.points[time][:, :1]) < CLOSE


def test_tracks_are_points_of_pixels(both):
    lazy, full = both
    last = lazy.frames - 1
    pixels = torch.tensor([[last, 3.2, 5.9], [0, 0, 0], [last, lazy.width - 0.5, lazy.height - 0.01]])
    tracks = lazy.tracks(pixels, times=[0, last])
    assert tracks.shape == (len(full.poses), 2, 3, 3)
    for number, time in enumerate((0, last)):
        points = full.points[time]
        expected = torch.stack([points[:, last, 5, 3], points[:, 0, 0, 0], points[:, last, -1, -1]], dim=1)
        assert off(tracks[:, number], expected) < 10 * CLOSE  # of the largest of three points, not of a map


def test_p_needs_no_decoder(monkeypatch):
    shape = (2, 10, 28, 42)
    (points, confidence), _, _ = stressed()(images(*shape), torch.zeros(2, 10, dtype=torch.long))
    lazy = encode(shape)
    monkeypatch.setattr(type(stressed().decoder), "forward", None)
    assert off(lazy.video().points, points) < CLOSE
    assert off(lazy.video().confidence, confidence) < CLOSE
    assert off(lazy.video([7, 2]).points, points[:, [7, 2]]) < CLOSE


def test_nothing_is_decoded_before_it_is_asked_for(monkeypatch):
    lazy, calls = encode((1, 4, 42, 70)), []
    monkeypatch.setitem(encoding.TOKENS_AT_ONCE, "cpu", 1)
    hook = lazy.network.decoder.register_forward_hook(lambda *_: calls.append(1))
    maps = lazy.decode()
    assert len(calls) == 0
    next(maps)
    assert len(calls) == 1
    hook.remove()


def test_the_grad_mode_of_a_caller_is_left_alone():
    decoded = encode((1, 2, 28, 28)).decode()
    maps = next(decoded)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    maps.points[maps.confidence < 2] = torch.nan  # a host tensor like any other


def test_four_levels_are_kept():
    lazy, full = encode((1, 2, 28, 28)), plain.infer(stressed(), images(1, 2, 28, 28))
    assert len(lazy.levels) == 4 and lazy.levels[0].numel() == full.tokens[0].numel()


def test_a_batch_is_its_videos():
    pair = images(2, 3, 42, 56)
    times = torch.tensor([[2, 0, 1], [1, 1, 0]])
    (p, pc), (q, qc), steps = stressed()(pair, times)
    for number in range(2):
        (p1, pc1), (q1, qc1), steps1 = stressed()(pair[number : number + 1], times[number : number + 1])
        for ours, alone in ((p, p1), (pc, pc1), (q, q1), (qc, qc1), (steps[-1], steps1[-1])):
            assert off(ours[number : number + 1], alone) < CLOSE


def test_each_frame_may_have_a_target_time_of_its_own():
    """Frames hear of each other's times only through global attention: the first frame block keeps them apart."""
    video = images(1, 3, 42, 56)
    network, levels = stressed(), stressed().aggregator(video)
    first = network.decoder.get_submodule("frame_blocks.0.0")
    sizes = network.sizes
    table = rope(*network.grid(42, 56), sizes.special, 2 * sizes.width // sizes.heads, CPU)
    mixed = first(levels, network.conditions(levels, torch.tensor([[2, 0, 1]])), table)
    for frame, time in enumerate((2, 0, 1)):
        same = first(levels, network.conditions(levels, torch.tensor([[time]])), table)
        assert off(mixed[:, :, frame], same[:, :, frame]) < CLOSE
        others = first(levels, network.conditions(levels, torch.tensor([[(time + 1) % 3]])), table)
        assert off(mixed[:, :, frame], others[:, :, frame]) > 1e-3


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [0, 3, 1, 2]])
def test_frames_but_the_first_may_come_in_any_order(order):
    video, times = images(1, 4, 42, 56), torch.tensor([[3, 1, 0, 2]])
    (p, _), (q, _), steps = stressed()(video, times)
    renamed = torch.tensor([[order.index(time) for time in times[0, order].tolist()]])
    (p2, _), (q2, _), steps2 = stressed()(video[:, order], renamed)
    assert off(p2, p[:, order]) < CLOSE and off(q2, q[:, order]) < CLOSE
    assert off(steps2[-1], steps[-1][:, order]) < CLOSE


def test_the_first_frame_is_the_reference():
    video, times = images(1, 3, 42, 56), torch.zeros(1, 3, dtype=torch.long)
    (p, _), _, _ = stressed()(video, times)
    (p2, _), _, _ = stressed()(video[:, [1, 0, 2]], times)
    assert off(p2, p[:, [1, 0, 2]]) > 1e-2


def test_every_weight_but_the_mask_token_is_read():
    network = Network(TINY)
    network.load_state_dict(stressed().state_dict())
    (p, pc), (q, qc), steps = network(images(1, 2, 28, 42), torch.tensor([[1, 0]]))
    torch.stack([x.sum() for x in (p, pc, q, qc, *steps)]).sum().backward()
    unread = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert unread == ["aggregator.patch_embed.mask_token"]
    still = [n for n, x in network.named_parameters() if x.grad is not None and not x.grad.abs().max() > 0]
    assert not still


def test_what_is_kept_serves_training_after_inference():
    made = []

    @kept
    def table(n: int) -> torch.Tensor:
        made.append(n)
        return torch.arange(n).float()

    with torch.inference_mode():
        table(3)
    weight = torch.ones(3, requires_grad=True)
    (table(3) * weight).sum().backward()
    assert made == [3] and weight.grad is not None


def test_half_precision_is_near():
    video = images(1, 3, 42, 70)
    network = Network(TINY)
    network.load_state_dict(stressed().state_dict())
    exact = next(model().encode(video).decode([1]))
    for half in (model(bfloat16=True), model(network=network.to(torch.bfloat16))):
        maps = next(half.encode(video).decode([1]))
        assert maps.points.dtype == torch.float32
        assert 1e-5 < off(maps.confidence, exact.confidence) < 0.05
        assert half.encode(video).video().points.isfinite().all()
        assert half.encode(video).poses().isfinite().all()


def test_whispering_tokens_are_heard_alike():
    """Where layer norms divide by variances below their epsilon, the two runs still agree."""
    network = Network(TINY)
    network.load_state_dict(stressed().state_dict())
    quiet = ("gamma", "pos_embed", "token", "patch_embed.proj", "patch_embed.norm")
    for name, parameter in network.named_parameters():
        parameter.data *= 3e-3 if any(part in name for part in quiet) else 1.0
    video = images(1, 3, 42, 70)
    lazy, full = model(network=network).encode(video), plain.infer(network, video)
    assert lazy.levels.var(dim=-1).min() < 1e-5
    for maps, points in zip(lazy.decode(), full.points, strict=True):
        assert off(maps.points, points) < CLOSE


def test_no_field_of_view_gives_no_infinite_focal_length():
    fields = torch.tensor([[0.0, 0.0], [0.9, 1.2]])
    K = poses.intrinsics(torch.cat((torch.ones(2, 7), fields), dim=1), 42, 70)
    assert K.isfinite().all()
    torch.testing.assert_close(K[1, 0, 0], 35 / torch.tensor(0.6).tan())


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda e: e.decode(times=[4]), r"times \[4\]: name some of the 4 frames, 0 to 3"),
        (lambda e: e.decode(times=[-1]), r"times \[-1\]"),
        (lambda e: e.decode(times=[]), "times none"),
        (lambda e: e.decode(frames=[0, 9]), r"frames \[9\]"),
        (lambda e: e.video([7]), r"frames \[7\]"),
        (lambda e: e.tracks(torch.tensor([[0, 70.0, 0]])), "inside of the 70 x 42 image"),
        (lambda e: e.tracks(torch.tensor([[5, 1.0, 0]])), r"frames \[5\]"),
        (lambda e: e.tracks(torch.zeros(0, 3)), "inside of the 70 x 42 image"),
    ],
)
def test_what_is_not_there_cannot_be_asked_for(ask, message):
    with pytest.raises(UserError, match=message):
        ask(encode((1, 4, 42, 70)))


@pytest.mark.parametrize("shape", [(1, 0, 42, 70), (1, 2, 43, 70), (1, 2, 42, 69)])
def test_images_of_no_use_are_one_line(shape):
    with pytest.raises(UserError, match="some frames, with sides a multiple of 14"):
        model().encode(torch.zeros(*shape[:2], 3, *shape[2:]))
