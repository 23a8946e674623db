"""Data parallelism under torchrun, one process per device: ranks, shards and collective operations.

Each process computes a shard of every global batch. A mean over the global batch is the sum over processes of the mean
over each shard times the shard's share of the batch. Without torchrun the world size is 1, and every function here is
the identity.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank() -> int:
    """0 to world_size() - 1. Rank 0 writes the results."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """The rank on this machine, which is the index of the GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Context in which collective operations between torchrun's processes are possible (NCCL on GPUs, gloo on CPUs)."""
    if world_size() == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def barrier() -> None:
    """Waits until every process has reached it."""
    if world_size() > 1:
        dist.barrier()


def broadcast(text: str) -> str:
    """Rank 0's `text`, on every process."""
    if world_size() == 1:
        return text
    box = [text]
    dist.broadcast_object_list(box)
    return box[0]


def shard(items: Tensor) -> Tensor:
    """This process's contiguous shard of the rows of `items`; shards differ in length by at most 1."""
    return items.tensor_split(world_size())[rank()]


def all_reduce(x: Tensor) -> Tensor:
    """The sum of `x` over all processes. Differentiable: the gradient is that of the sum of all processes' losses."""
    return x if world_size() == 1 else _AllReduce.apply(x)


def all_gather(x: Tensor) -> Tensor:
    """The rows of every process's `x` in order of rank, so the inverse of `shard`. Not differentiable."""
    if world_size() == 1:
        return x
    length = torch.tensor([len(x)], device=x.device)
    lengths = [torch.empty_like(length) for _ in range(world_size())]
    dist.all_gather(lengths, length)
    counts = [int(count) for count in lengths]
    # all_gather needs equal sizes: shorter shards are padded.
    message = x.new_zeros(max(counts), *x.shape[1:])
    message[: len(x)] = x
    messages = [torch.empty_like(message) for _ in counts]
    dist.all_gather(messages, message)
    return torch.cat([message[:count] for message, count in zip(messages, counts, strict=True)])


def all_reduce_gradients(parameters: list[Tensor]) -> None:
    """Replaces every gradient by its sum over all processes, in one all_reduce."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if world_size() == 1 or not gradients:
        return
    message = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(message)
    parts = message.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)])


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        summed = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # The loss of any process may depend on the sum, and so on this process's `x`.
        return all_reduce(gradients[0])
