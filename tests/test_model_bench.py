"""The benchmark of the network: what it compares is equal, and what it says of memory is so."""

import pytest
import torch
from torch.nn import functional

from tests.network import CLOSE, images, stressed
from vdpm import bench, bench_gpu
from vdpm.errors import UserError
from vdpm.model.device import products

CPU = torch.device("cpu")


def test_the_ways_are_equal_and_need_less():
    plain, half, every, one, every_half, one_half = bench.compare(stressed(), images(1, 4, 28, 42), repeats=1)
    assert max(every.off, one.off) < CLOSE
    assert max(half.off, every_half.off, one_half.off) < 0.05
    assert every.map_bytes == plain.map_bytes / 4 and one.map_bytes == plain.map_bytes / 16
    assert every.token_bytes == plain.token_bytes  # of four levels, four are read; of 24, four


def test_the_command_prints_a_table(capsys):
    bench.main(bench.Config(sizes="tiny", frames=2, height=28, width=28, repeats=1))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[0].startswith("tiny, 2 frames of 28 x 28")
    with pytest.raises(UserError, match="sides multiples of 14"):
        bench.main(bench.Config(height=30))


def test_without_a_gpu_there_is_a_way_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA device; on a CPU use"):
        bench_gpu.main(bench_gpu.Config())


@pytest.mark.parametrize("room", [10, 63, 64, 65, 300, 1000])
def test_the_longest_video_is_found_to_an_eighth(room):
    fits, full, frames, tried = 0, 0, 8, []
    while frames:
        tried.append(frames)
        fits, full = (frames, full) if frames <= room else (fits, frames)
        frames = bench_gpu.longer(fits, full)
    assert fits <= room < full and full - fits <= max(8, fits // 8)
    assert len(tried) == len(set(tried)) < 15


@pytest.mark.parametrize("shape", [(5, 24), (2, 3, 24), (1, 2, 3, 24)])
def test_products_are_the_same_sums(shape):
    x, layer = torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.nn.Linear(24, 40)
    with torch.no_grad(), products(CPU, False):
        fast = layer(x)
        assert layer(x.double().float()[..., :24]).shape == (*shape[:-1], 40)
        without_bias = functional.linear(x, layer.weight)
    torch.testing.assert_close(fast, layer(x))
    torch.testing.assert_close(without_bias, x @ layer.weight.T)
    with products(CPU, False):
        layer(x).sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad(), products(CPU, True):
        assert layer(x).dtype == torch.bfloat16
