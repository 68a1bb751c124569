"""Displacements from matches: what cameras explain is taken out, what moves is left, nothing moves at its own time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.training import SMALLEST, noise
from vdpm.model.ego import camera_part
from vdpm.model.matching import Match, returned
from vdpm.model.motion import Ends, steps
from vdpm.model.network import others
from vdpm.model.stem import centres
from vdpm.training.begin import from_nothing

SIZE = 12, 16
torch.set_num_threads(1)


def world(seed: int = 0) -> Tensor:
    """Points of a slanted, rough ground seen from the origin."""
    rng = torch.Generator().manual_seed(seed)
    v, u = torch.meshgrid(torch.linspace(-0.4, 0.5, SIZE[0]), torch.linspace(-0.6, 0.6, SIZE[1]), indexing="ij")
    depth = 1.2 - 0.8 * v + 0.2 * torch.rand(SIZE, generator=rng)
    return (torch.stack((u, v, torch.ones_like(u)), dim=-1) * depth[..., None]).flatten(0, 1)


def split(points: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
    ray = functional.normalize(points, dim=-1)
    along = ray * (ray * moves).sum(-1, keepdim=True)
    return moves - along, along


def camera_error(points: Tensor) -> Tensor:
    turn, step = torch.tensor([0.01, -0.02, 0.015]), torch.tensor([0.03, -0.01, 0.02])
    return torch.linalg.cross(turn.expand(points.shape), points) + step + 0.04 * points


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3])
def test_errors_of_pose_and_scale_are_taken_out_and_motion_is_left(share: float):
    points = world()
    moving = torch.arange(len(points)) % SIZE[1] < share * SIZE[1]
    motion = torch.where(moving[:, None], torch.tensor([0.0, -0.15, 0.1]), torch.zeros(3))
    across, along = split(points, camera_error(points) + motion)
    sideways, forward = camera_part(points, across, along, torch.ones(len(points)))
    left = across - sideways + along - forward
    assert left[~moving].norm(dim=-1).max() < 0.01
    if share:
        assert (left - motion)[moving].norm(dim=-1).max() < 0.02


def test_what_has_no_match_has_no_say():
    points = world()
    across, along = split(points, camera_error(points))
    trusted = torch.arange(len(points)) % 3 > 0
    rng = torch.Generator().manual_seed(1)
    wild = torch.where(trusted[:, None], torch.zeros(()), torch.randn(points.shape, generator=rng))
    parts = camera_part(points, across + wild, along + wild, trusted.float())
    torch.testing.assert_close(sum(parts), across + along, atol=1e-3, rtol=0)


def a_match(place: Tensor) -> Match:
    ones = torch.ones(place.shape[:3])
    none = torch.zeros(*place.shape[:3], place.shape[2] + 1)
    return Match(logits=none, places=(place,), found=ones, sharp=ones, back=ones)


def test_steps_to_true_matches_are_the_displacements():
    """Of features that move by whole features over a smooth ground, from a camera that is not at the origin."""
    points = world().double()
    place = centres(*SIZE, points.device).double()
    shown = points.unflatten(0, SIZE).roll(-2, 1).flatten(0, 1)
    inside = torch.arange(len(points)) % SIZE[1] < SIZE[1] - 2
    match = a_match((place + torch.tensor([8.0, 0.0]))[None, None])
    ends = Ends(here=points[None, None], target=points[None], centre=torch.tensor([[0.1, 0.0, -0.05]]).double())
    across, along = steps(match, ends, SIZE)
    torch.testing.assert_close((across + along)[0, 0][inside], (shown - points)[inside])
    ray = functional.normalize(shown - ends.centre, dim=-1)
    assert torch.linalg.cross(along[0, 0], ray)[inside].abs().max() < 1e-9
    start = points - ends.centre
    torch.testing.assert_close((start + across[0, 0]).norm(dim=-1), start.norm(dim=-1))


def test_the_way_back_ends_where_it_began_for_matches_that_are_mutual():
    n = SIZE[0] * SIZE[1]
    rng = torch.Generator().manual_seed(2)
    order = torch.randperm(n, generator=rng)
    logits = torch.zeros(1, 1, n, n).scatter(-1, order[None, None, :, None], 9.0)
    cells = torch.stack((order // SIZE[1], order % SIZE[1]), dim=-1)[None, None]
    assert returned(logits, 2 * cells, SIZE).eq(1).all()
    stolen = cells.clone()
    stolen[0, 0, 5] = cells[0, 0, 90]  # 5 says what 90 says, which is matched back with 90
    back = returned(logits, 2 * stolen, SIZE)[0, 0]
    apart = ((90 // SIZE[1] - 5 // SIZE[1]) ** 2 + (90 % SIZE[1] - 5) ** 2) ** 0.5
    assert back[5].item() == pytest.approx(torch.tensor(-apart / 2).exp().item(), rel=1e-5)


def test_nothing_moves_at_its_own_time():
    network, batch = from_nothing(SMALLEST, 0), noise(side=32)
    answer = network.answer(batch.images, batch.target)
    one = torch.arange(len(batch.target))
    assert torch.equal(answer.there[0][one, batch.target], answer.here[0][one, batch.target])
    assert answer.sources is not None and torch.equal(answer.sources, others(3, batch.target))
    moved = (answer.there[0] - answer.here[0])[one[:, None], answer.sources]
    assert moved.abs().amax(dim=(-1, -2, -3)).min() > 0


def test_training_and_decoding_say_the_same():
    """One window with a target each for the former, all sources at each time for the latter."""
    network, batch = from_nothing(SMALLEST, 0).eval(), noise(side=32)
    with torch.no_grad():
        answer = network.answer(batch.images, batch.target)
        encoded = network.encode(batch.images)
        cameras = network.poses(encoded.levels)[-1]
        everyone = torch.arange(3).expand(2, -1)
        decoded, _ = network.carried(encoded, network.here(encoded), cameras, batch.target, everyone)
    torch.testing.assert_close(decoded[0], answer.there[0], atol=1e-5, rtol=1e-4)


def test_a_new_head_moves_things_across_the_line_of_sight():
    """Gates are the same everywhere at first: nearly all of the step across, hardly any of that along."""
    network = from_nothing(replace(SMALLEST, registers=4), 0)
    gates = network.motion.gates.get_parameter("bias").detach().sigmoid()
    assert float(gates[0] + gates[2]) == pytest.approx(1.0, abs=0.01) and gates[1] + gates[3] < 0.1
