"""Counting kernels."""

import torch

from core.bench.kernels import KernelCounter, kernels_per_step
from core.presets import make_config


def test_views_and_allocations_are_no_kernels() -> None:
    x = torch.rand(4, 6)
    with KernelCounter() as counter:
        torch.empty(3)
        y = x.view(6, 4).T[:2].unsqueeze(0)
        y = y * 2
        y.add_(1)
    assert counter.counts == {"mul": 1, "add_": 1}


def test_a_list_is_one_kernel_where_a_gpu_has_one_for_it() -> None:
    alike = [torch.rand(3, 2), torch.rand(4)]
    crossed = [torch.rand(2, 3).T, torch.rand(4)]
    with KernelCounter() as counter:
        torch._foreach_mul_(alike, 2.0)
        torch._foreach_add_(alike, crossed)
    assert counter.counts == {"_foreach_mul_": 1, "_foreach_add_": 2}


def test_a_step_of_best_starts_far_fewer_kernels_than_it_did() -> None:
    counts = kernels_per_step(make_config("best"))
    print(f"{counts.total()} kernels: {counts.most_common()}")
    assert 100 < counts.total() < 240, "307 when each of Muon's matrices had kernels of its own"
