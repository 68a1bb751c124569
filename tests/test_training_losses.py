"""The losses: closed forms, gradients against finite differences, and what must not matter."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from tests.training import noise
from vdpm.model.matching import Match, softest
from vdpm.model.network import Answer, others
from vdpm.model.patches import placed
from vdpm.model.stem import centres
from vdpm.training.losses import (
    Objective,
    camera_loss,
    displacement_loss,
    flat_loss,
    losses,
    matching_loss,
    measures,
    point_loss,
    total,
)
from vdpm.training.sample import Batch

SIDE, CELLS = 16, 16
torch.set_num_threads(1)


def near(truth: Tensor, seed: int = 1) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (truth.double() + 0.1 * torch.randn(truth.shape, generator=rng, dtype=torch.float64)).requires_grad_()


def raw_match(windows: int = 2, frames: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(3)
    return torch.randn(windows, frames, CELLS, CELLS + 1, generator=rng, dtype=torch.float64).requires_grad_()


def match(raw: Tensor) -> Match:
    """As the layer makes it of its logits."""
    size = SIDE // 4, SIDE // 4
    exact = raw[..., :-1].detach()[..., None, :].expand(-1, -1, -1, 4, -1)
    return replace(softest(raw.detach(), exact, placed(exact.flatten(3).argmax(-1), size), size), logits=raw)


def perfect(batch: Batch) -> Answer:
    """The truth as an answer, matches too."""
    n, places = CELLS, centres(SIDE // 4, SIDE // 4, torch.device("cpu"))
    sources = others(batch.images.shape[1], batch.target)
    place = batch.pixels[torch.arange(len(sources))[:, None], sources][..., 2::4, 2::4, :].flatten(2, 3)
    cells = torch.cdist(place.flatten(0, 1), places).argmin(-1).view(place.shape[:3])
    logits = torch.full((*cells.shape, n + 1), -30.0).scatter(-1, cells[..., None], 30.0)
    ones = torch.ones(batch.valid.shape)
    ones_ = torch.ones(cells.shape)
    found = Match(logits=logits, places=(place, place), found=ones_, sharp=ones_, back=ones_)
    return Answer(
        here=(batch.here, ones), there=(batch.there, ones), poses=[batch.cameras] * 4, match=found, sources=sources
    )


def slopes(function, x: Tensor) -> bool:
    return gradcheck(function, (x,), eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_slope_of_the_point_loss(alpha: float):
    batch = noise()
    weight = (batch.valid * (1 + 4 * batch.moving.float())).double()
    sure = (1 + near(torch.zeros(batch.valid.shape)).exp()).detach()
    assert slopes(lambda x: point_loss(x, sure, batch.here.double(), weight, alpha), near(batch.here))
    if alpha:
        points = near(batch.here).detach()
        assert slopes(lambda c: point_loss(points, c, batch.here.double(), weight, alpha), sure.requires_grad_())


@pytest.mark.parametrize("norm", ["l1", "huber"])
def test_slope_of_the_camera_loss(norm):
    batch = replace(noise(), posed=torch.tensor([True, False]))
    others = [near(batch.cameras, seed).detach() for seed in (2, 3)]
    assert slopes(lambda x: camera_loss([others[0], x, others[1]], batch, norm), near(batch.cameras))
    early, late = (camera_loss([near(batch.cameras) if n == k else batch.cameras.double() for n in range(4)], batch, norm)
                   for k in (0, 3))  # fmt: skip
    assert early.item() == pytest.approx(0.6**3 * late.item())


@pytest.mark.parametrize("pooled", [False, True])
def test_slope_of_the_displacement_loss(pooled: bool):
    batch = noise()
    assert slopes(lambda x: displacement_loss(x, batch, pooled=pooled), near(batch.there - batch.here))


def test_slope_of_the_matching_loss():
    batch = noise()
    assert slopes(lambda raw: matching_loss(match(raw), batch, others(3, batch.target), 5.0), raw_match())


def test_slope_of_the_flat_loss():
    batch, found = noise(), match(raw_match())
    first = found.places[0].clone().requires_grad_()
    assert slopes(
        lambda x: flat_loss(replace(found, places=(first, x, 2.0 * x)), batch, others(3, batch.target), 5.0), first
    )


def test_a_confident_error_costs_its_confidence():
    batch = noise(windows=1)
    off, sure = batch.here + torch.tensor([0.3, 0.0, 0.4]), torch.full(batch.valid.shape, 2.0)
    value = point_loss(off, sure, batch.here, batch.valid.float(), 0.2)
    assert value.item() == pytest.approx(2.0 * 0.5 - 0.2 * math.log(2.0), rel=1e-5)


def test_best_confidence_is_alpha_over_the_error():
    """c e - alpha log c is least at c = alpha / e."""
    truth, points = torch.zeros(1, 1, 1, 1, 3), torch.full((1, 1, 1, 1, 3), 0.1 / 3**0.5)
    costs = [
        point_loss(points, torch.full((1, 1, 1, 1), c), truth, torch.ones(1, 1, 1, 1), 0.3).item()
        for c in (2.5, 3.0, 3.5)
    ]
    assert costs[1] < min(costs[0], costs[2])


def test_a_window_counts_once_however_many_pixels_are_known():
    batch, sparse = noise(), noise()
    sparse.known[1, :, :, 1:] = False
    errors = [torch.tensor(0.2), torch.tensor(0.6)]
    off = batch.there + torch.stack(errors)[:, None, None, None, None] * torch.tensor([1.0, 0, 0])
    for given in (batch, sparse):
        value = point_loss(off, torch.ones(given.known.shape), given.there, given.known.float(), 0.0)
        assert value.item() == pytest.approx(0.4, rel=1e-5)


def test_moving_pixels_weigh_more_in_p_and_q_alike():
    batch, answer = noise(windows=1), perfect(noise(windows=1))
    off = torch.where(batch.moving[..., None], torch.tensor([0.0, 0.0, 1.0]), torch.tensor(0.0))
    wrong = replace(answer, here=(batch.here + off, answer.here[1]), there=(batch.there + off, answer.there[1]))
    found = losses(wrong, batch, Objective(confidence=0.0, motion_weight=5.0))
    moving, valid, known = (float(mask.sum()) for mask in (batch.moving, batch.valid, batch.known))
    assert found["points"].item() == pytest.approx(5 * moving / (valid + 4 * moving), rel=1e-3)
    assert found["moved"].item() == pytest.approx(5 * moving / (known + 4 * moving), rel=1e-3)


def test_displacement_loss_is_the_displacement_error_where_all_moves():
    batch = noise(windows=1)
    batch = replace(batch, known=batch.moving)
    still = torch.zeros_like(batch.here, requires_grad=True)
    assert displacement_loss(still, batch).item() == pytest.approx(1.0, rel=1e-3)
    assert displacement_loss(1.5 * (batch.there - batch.here), batch).item() == pytest.approx(0.5, rel=1e-3)
    total_, count = measures(replace(perfect(batch), there=(batch.here, torch.ones(batch.valid.shape))), batch)[
        "displacement_error"
    ]
    assert total_ / count == pytest.approx(1.0, rel=1e-3)


def test_pooled_displacements_count_by_their_length():
    batch = noise(windows=1)
    slow = replace(batch, known=batch.moving)
    fast = replace(slow, there=batch.here + 3.0 * (batch.there - batch.here))
    still = torch.zeros_like(batch.here)
    shares, lengths = ([displacement_loss(still, b, pooled=p).item() for b in (slow, fast)] for p in (False, True))
    assert shares[1] == pytest.approx(shares[0], rel=1e-3)
    assert lengths[1] == pytest.approx(3.0 * lengths[0], rel=1e-3)


def test_the_target_frame_itself_says_nothing_about_motion():
    batch = noise()
    own = torch.arange(3) == batch.target[:, None]
    wrong = (batch.there - batch.here) + 9.0 * own[..., None, None, None]
    assert displacement_loss(wrong, batch).item() < 1e-3
    assert not own.gather(1, others(3, batch.target)).any()
    level = matching_loss(match(torch.zeros(2, 2, CELLS, CELLS + 1)), batch, others(3, batch.target), 1.0)
    assert level.item() == pytest.approx(1.0)


def test_the_truth_costs_nothing():
    batch = noise()
    objective = Objective(confidence=0.0, displacement=1.0, flat=1.0)
    found = losses(perfect(batch), batch, objective)
    assert total(found, objective).item() < 1e-3
    shares = measures(perfect(batch), batch)
    assert shares["match_accuracy"][0] == shares["match_accuracy"][1] > 0
    assert shares["match_moving"][0] == shares["match_moving"][1] > 0
    assert shares["displacement_error"][0] < 1e-2 and shares["point_error"][0] < 1e-2 * shares["point_error"][1]


def test_best_matches_are_bilinear_shares_and_none_for_what_is_hidden():
    """Cross-entropy is least at the shares themselves, of which the matched place is the mean: exact below a feature."""
    batch = noise(windows=1)
    raw, sources = torch.zeros(1, 2, CELLS, CELLS + 1, requires_grad=True), others(3, batch.target)
    solver = torch.optim.Adam([raw], lr=0.5)
    for _ in range(300):
        solver.zero_grad()
        matching_loss(match(raw), batch, sources, 1.0).backward()
        solver.step()
    found = match(raw)
    seen, known = (mask[:, sources[0], 2::4, 2::4].flatten(2) for mask in (batch.visible, batch.known))
    place = batch.pixels[:, sources[0], 2::4, 2::4, :].flatten(2, 3).clamp(2.5, 14.5)
    mean = raw[..., :-1].softmax(-1) @ centres(SIDE // 4, SIDE // 4, torch.device("cpu"))
    assert (mean - place)[seen].abs().max() < 0.1
    assert found.found[seen].min() > 0.99 and found.found[known & ~seen].max() < 0.01
