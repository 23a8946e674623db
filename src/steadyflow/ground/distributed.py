"""Several processes as one: who this process is, and sums over all of them.

Under torchrun a stage runs once per device. Each process works on its part of every global batch, and what one
process alone would have computed as a mean over the batch is a sum over processes of parts weighted by their share.
Without torchrun there is a world of one, and nothing here does anything.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    """0 to world_size() - 1; rank 0 writes the results."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """The rank on this machine, which chooses the GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Inside, this process and the others that torchrun started can talk: by NCCL on GPUs, by gloo on CPUs."""
    if world_size() == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def wait() -> None:
    """Until every process is here."""
    if world_size() > 1:
        dist.barrier()


def shared(text: str) -> str:
    """Rank 0's text, on every process."""
    if world_size() == 1:
        return text
    box = [text]
    dist.broadcast_object_list(box)
    return box[0]


def part(items: Tensor) -> Tensor:
    """This process's contiguous part of the rows of `items`, as even as can be."""
    return items.tensor_split(world_size())[rank()]


def total(x: Tensor) -> Tensor:
    """The sum of `x` over all processes. Differentiable: the gradient is that of the sum of their losses."""
    return x if world_size() == 1 else _Total.apply(x)


def gathered(x: Tensor) -> Tensor:
    """The rows of every process's `x` in order of rank: of a tensor whose `part` each has, the whole. No gradients."""
    if world_size() == 1:
        return x
    length = torch.tensor([len(x)], device=x.device)
    lengths = [torch.empty_like(length) for _ in range(world_size())]
    dist.all_gather(lengths, length)
    counts = [int(count) for count in lengths]
    # Messages have to be of one size: shorter parts are filled up.
    message = x.new_zeros(max(counts), *x.shape[1:])
    message[: len(x)] = x
    messages = [torch.empty_like(message) for _ in counts]
    dist.all_gather(messages, message)
    return torch.cat([part[:count] for part, count in zip(messages, counts, strict=True)])


def sum_gradients(parameters: list[Tensor]) -> None:
    """Every gradient becomes its sum over all processes, in one message."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if world_size() == 1 or not gradients:
        return
    message = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(message)
    parts = message.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)])


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        summed = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # A loss of any process may depend on the sum, hence on this process's part.
        return total(gradients[0])
