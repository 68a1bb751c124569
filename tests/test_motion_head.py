"""Displacements from matches: what cameras explain is taken out, what moves is left, nothing moves at its own time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.training import SMALLEST, noise
from vdpm.model import poses
from vdpm.model.ego import camera_part
from vdpm.model.ends import Ends, ends
from vdpm.model.lend import AFFINITY, Lend
from vdpm.model.matching import Match, returned
from vdpm.model.motion import Motion
from vdpm.model.network import others
from vdpm.model.stem import centres, sampled
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


def cameras() -> Tensor:
    """Encodings of three, of which the first is the reference: small turns and steps, a lens of 50 and 60 degrees."""
    turn = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.05, -0.1, 0.02, 1.0], [-0.03, 0.08, 0.01, 1.0]])
    step = torch.tensor([[0.0, 0.0, 0.0], [0.1, -0.05, 0.02], [-0.2, 0.1, 0.1]])
    lens = torch.tensor([0.87, 1.05]).expand(3, 2)
    return torch.cat((step, functional.normalize(turn, dim=-1), lens), dim=-1).double()[None]


def shown(camera: Tensor, depth: Tensor) -> Tensor:
    """Points of the pixels of a camera, by their depth."""
    height, width = depth.shape
    v, u = torch.meshgrid(torch.arange(height).double() + 0.5, torch.arange(width).double() + 0.5, indexing="ij")
    sides = (camera[7:] / 2).tan()
    plane = torch.stack((sides[1] * (2 * u / width - 1), sides[0] * (2 * v / height - 1), torch.ones_like(u)), dim=-1)
    return (depth[..., None] * plane - camera[:3]) @ poses.rotation(camera[3:7])


def test_ends_of_true_matches_are_where_points_are_and_where_they_go():
    """Points of a rough ground that jump; matches by projection, distances by what the target frame shows there."""
    encodings, side = cameras(), (SIZE[0] * 4, SIZE[1] * 4)
    rng = torch.Generator().manual_seed(3)
    depth = (2.0 + torch.rand(3, *side, generator=rng)).double()
    points = torch.stack([shown(encodings[0, frame], depth[frame]) for frame in range(3)])[None]
    goal = torch.randint(0, side[0] * side[1], (2, SIZE[0] * SIZE[1]), generator=rng)
    place = torch.stack((goal % side[1], goal // side[1]), dim=-1)[None] + 0.5
    found = ends(points, encodings, place.double(), torch.tensor([[0, 2]]), torch.tensor([1]))
    end = points[0, 1].flatten(0, 1)[goal]
    start = sampled(points)[0, [0, 2]].flatten(1, 2)
    moved = (found.across + found.along)[0] @ found.turn[0].T
    torch.testing.assert_close(moved, end - start)
    torch.testing.assert_close(found.start[0].norm(dim=-1), (start - poses.centre(encodings[0, 1])).norm(dim=-1))
    torch.testing.assert_close((found.start + found.across).norm(dim=-1), found.start.norm(dim=-1))
    assert torch.linalg.cross(found.along, found.ray).abs().max() < 1e-9
    torch.testing.assert_close(sampled(found.distance)[0, ..., 0].flatten(1), found.far[0, ..., 0])


def test_what_is_alike_lends_its_motion_and_its_growth_but_not_its_errors():
    """The left half of a view moves and grows by a tenth, the right half rests; features tell them apart. A quarter of
    the matches are wild, and a fifth of the points are hidden: wild too, without a match."""
    rng = torch.Generator().manual_seed(4)
    x, y = torch.meshgrid(torch.linspace(-0.3, 0.3, SIZE[1]), torch.linspace(-0.2, 0.2, SIZE[0]), indexing="xy")
    sight = functional.normalize(torch.stack((x, y, torch.ones_like(x)), dim=-1).flatten(0, 1), dim=-1)
    left = sight[:, 0] < 0
    grown = 0.1 * sight * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.02, 0.05, 0.0])
    moved = torch.where(left[:, None], grown, torch.zeros(3))
    wild, hidden = torch.rand(2, len(sight), generator=rng) < torch.tensor([[0.25], [0.2]])
    seen = moved + (wild | hidden)[:, None] * 0.3 * torch.randn(moved.shape, generator=rng)
    lend = Lend(2)
    with torch.no_grad():
        lend.affinity.weight.zero_()
        lend.affinity.weight[0, 0] = lend.affinity.weight[AFFINITY, 0] = 12.0
        lend.affinity.bias.zero_()
        lend.spread.fill_(5.0)
        lend.stiffness.fill_(-6.0)
        kinds = torch.where(left, 1.0, -1.0).expand(2, -1).unflatten(1, SIZE)[None]
        along = torch.zeros(1, len(sight), 1)
        loan = lend(kinds, sight[None], seen[None], along, torch.where(hidden, 0.0, 1.0)[None])
    assert (loan.across[0] - moved).norm(dim=-1).max() < 0.004
    nearer = torch.where(left, 1 / 1.1 - 1, 0.0)
    torch.testing.assert_close(loan.nearer[0, :, 0], nearer, atol=0.015, rtol=0)
    assert loan.along.abs().max() < 1e-6


def a_view(moving: Tensor, motion: Tensor) -> tuple[Match, Ends]:
    """Matches and their ends where a part of a ground moves, under a camera whose pose is not quite right."""
    start = world()
    end = start + camera_error(start) + moving[:, None] * motion
    ones, place = torch.ones(1, 1, len(start)), centres(*SIZE, start.device)[None, None]
    none = torch.zeros(1, 1, len(start), len(start) + 1)
    match = Match(logits=none, places=(place,), found=ones, sharp=ones, back=ones)
    far = start.norm(dim=-1).unflatten(0, SIZE).repeat_interleave(4, 0).repeat_interleave(4, 1)
    both = Ends(
        start=start[None, None],
        ray=functional.normalize(end, dim=-1)[None, None],
        reach=end.norm(dim=-1, keepdim=True)[None, None],
        distance=far[None, None, ..., None],
        turn=torch.eye(3)[None],
    )
    return match, both


def test_the_second_answer_takes_no_large_thing_that_moves_for_an_error_of_cameras():
    """Two fifths of what is seen move alike, so that a fit to everything makes the ground move."""
    moving = torch.arange(len(world())) % SIZE[1] < 0.4 * SIZE[1]
    match, both = a_view(moving, torch.tensor([0.0, -0.1, 0.0]))
    motion = Motion(SMALLEST)
    grid = SIZE[0] * 4 // SMALLEST.patch, SIZE[1] * 4 // SMALLEST.patch
    tokens = torch.zeros(1, 1, SMALLEST.special + grid[0] * grid[1], 2 * SMALLEST.width)
    fine = torch.zeros(1, 1, SMALLEST.stem, *SIZE)
    with torch.no_grad():
        moved = [motion.train(learns)(match, both, tokens, fine, grid)[0] for learns in (True, False)]
    off = [sampled(answer)[0, 0].flatten(0, 1)[~moving].norm(dim=-1).mean() for answer in moved]
    assert off[1] < 0.5 * off[0]


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
