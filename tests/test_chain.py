"""Matches of neighbouring frames, one after another, lead to any frame; a search near where they lead finds what is there."""

import torch
from torch import Tensor

from tests.training import SMALLEST
from vdpm.model.chain import Links
from vdpm.model.matching import guided
from vdpm.model.model import Model
from vdpm.model.patches import placed
from vdpm.model.stem import centres
from vdpm.training.begin import from_nothing

SIZE, FRAMES = (8, 10), 5
CELLS = SIZE[0] * SIZE[1]
torch.set_num_threads(1)


def sliding(step: tuple[float, float]) -> Links:
    """A video of which everything slides by as many pixels from frame to frame."""
    own, ones = centres(*SIZE, torch.device("cpu"))[None], torch.ones(1, CELLS)
    slide = torch.tensor(step)
    return Links(
        later=[(own + slide, 0.9 * ones)] * (FRAMES - 1), earlier=[(own - slide, 0.8 * ones)] * (FRAMES - 1), size=SIZE
    )


def test_a_slide_adds_up_frame_by_frame():
    own = centres(*SIZE, torch.device("cpu"))
    places, shares = sliding((1.25, -0.75)).leading_to(3)
    for frame in range(FRAMES):
        torch.testing.assert_close(places[0, frame], own + (3 - frame) * torch.tensor([1.25, -0.75]))
    torch.testing.assert_close(shares[0, :, 0], torch.tensor([0.9**3, 0.9**2, 0.9, 1.0, 0.8]))


def test_a_chain_through_what_is_unlikely_is_unlikely():
    links = sliding((4.0, 0.0))
    place, share = links.later[1]
    hidden = share.clone().view(1, *SIZE)
    hidden[:, :, 5] = 0.0
    links.later[1] = place, hidden.flatten(1)
    shares = links.leading_to(4)[1][0].view(FRAMES, *SIZE)
    assert (shares[0, :, 4] == 0).all() and (shares[1, :, 5] == 0).all() and (shares[0, :, :4] > 0.5).all()


def likeness(rng: torch.Generator) -> Tensor:
    """Noise, with the true place 6 and a place that looks a little more alike 9, far away."""
    maps = torch.rand(1, 1, CELLS, 4, CELLS, generator=rng)
    maps[0, 0, :, 2, 33], maps[0, 0, :, 1, 70] = 6.0, 9.0
    return maps


def test_a_match_is_looked_for_where_it_is_expected():
    maps = likeness(torch.Generator().manual_seed(0))
    true, false = placed(torch.tensor([2 * CELLS + 33, 1 * CELLS + 70]), SIZE)
    best = placed(maps.flatten(3).argmax(-1), SIZE)
    assert (best == false).all()
    start = (2.0 * true.flip(-1) + 1.5 + torch.tensor([3.0, -2.0])).expand(1, 1, CELLS, 2)
    found, share = guided(maps, best, start, torch.full((1, 1, CELLS), 0.7), SIZE)
    assert (found == true).all() and (share == 0.7).all()
    unlikely, none = guided(maps, best, start, torch.full((1, 1, CELLS), 0.01), SIZE)
    assert (unlikely == false).all() and (none == 0).all()
    worse, _ = guided(maps - 20.0 * (maps == 6.0), best, start, torch.full((1, 1, CELLS), 0.7), SIZE)
    assert not (worse == true).all(dim=-1).any()


def test_two_frames_have_no_way_round():
    model = Model(network=from_nothing(SMALLEST, 0).eval(), device=torch.device("cpu"), bfloat16=False)
    images = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert model.encode(images[:, :2])._links is None
    encoding = model.encode(images)
    links = encoding._links
    assert links is not None and len(links.later) == len(links.earlier) == 3
    whole = [maps.points for maps in encoding.decode()]
    some = [maps.points for maps in encoding.decode([2], [0, 3])]
    torch.testing.assert_close(some[0], whole[2][:, [0, 3]])
