"""The network is one graph: nothing in it waits for the device to know a number."""

import subprocess
import sys
from dataclasses import replace

import torch
from torch.utils import _pytree

from tests.network import CLOSE, images, off
from vdpm.model.network import Network
from vdpm.model.rope import rope
from vdpm.model.sizes import TINY

SHALLOW = replace(TINY, vision_depth=1, decoder_depth=1, camera_depth=1)


def test_the_network_exports():
    torch.manual_seed(0)
    network = Network(SHALLOW).eval()
    asked = [(images(1, 2, 28, 42, seed), torch.tensor(times)) for seed, times in ((0, [[0, 1]]), (1, [[1, 1]]))]
    exported = torch.export.export(network, asked[0]).module()
    for video, times in asked:
        answers = (_pytree.tree_leaves(run(video, times)) for run in (exported, network))
        for ours, plain in zip(*answers, strict=True):
            assert off(ours, plain) < CLOSE
    table = rope(2, 3, SHALLOW.special, SHALLOW.width // SHALLOW.heads, torch.device("cpu"))
    assert type(table.cosine) is torch.Tensor  # nothing of the tracer is remembered


COMPILED = """
import torch
from torch.utils import _pytree
from tests.network import CLOSE, images, off
from tests.test_model_export import SHALLOW
from vdpm.model.network import Network
torch.set_num_threads(1)
network, video, times = Network(SHALLOW).eval(), images(1, 2, 28, 42), torch.tensor([[0, 1]])
compiled = torch.compile(network, fullgraph=True, backend="eager")
answers = (_pytree.tree_leaves(run(video, times)) for run in (compiled, network))
assert all(off(ours, plain) < CLOSE for ours, plain in zip(*answers, strict=True))
"""


def test_the_network_compiles_as_one_graph():
    """In a Python of its own: the checks of shapes that tests switch on are no part of the graph."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)
