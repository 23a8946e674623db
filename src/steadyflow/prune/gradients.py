"""Exact squared norms of per-sample gradients from one batched pass, without computing the gradients.

A layer z_p = W a_p + b, applied at P positions of a sample, has the gradients dW = sum_p g_p a_p^T and
db = sum_p g_p, where g = dloss/dz. Hooks record a and g of each layer, and the norm follows from

    |dW|^2 = sum_pq (a_p . a_q) (g_p . g_q)

for few positions (for one, |a|^2 |g|^2), and for many from dW itself, for a few samples at a time. The gradients of
weights summed over the batch are not needed, so the backward pass computes those of activations only.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.scores import sample_losses

# Numbers in memory at a time, in addition to activations: fits into a CPU's caches, and keeps a GPU busy.
WORKSPACE = {"cpu": 1 << 20, "cuda": 1 << 26}


@dataclass(frozen=True)
class RowScores:
    """`loss` [B]: flow-matching losses; `grad` [B]: squared L2 norms of their gradients in all trainable weights."""

    loss: Tensor
    grad: Tensor


def gradient_norms(model: nn.Module, x1: Tensor, x0: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """Squared L2 norm of the gradient of each row's loss in all trainable parameters, [B].

    Arguments as in `sample_losses`, errors as in `losses_and_gradient_norms`.
    """
    return losses_and_gradient_norms(model, x1, x0, t, y).grad


def losses_and_gradient_norms(
    model: nn.Module, x1: Tensor, x0: Tensor, t: Tensor, y: Tensor | None = None
) -> RowScores:
    """`sample_losses` and the squared norms of their gradients, by one forward and one backward pass.

    Trainable parameters have to belong to layers in `KINDS` whose input has one row per sample, in the order of the
    batch, and which are called once per pass. Raises UserError naming the parameters otherwise, and if there are none.
    The model is unchanged afterwards, also after errors.
    """
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trainable:
        raise UserError("gradient norms: no parameter of the model is trainable; set requires_grad")
    norms = torch.zeros(len(x1), device=x1.device, dtype=x1.dtype)
    with torch.enable_grad(), _hooks(model, norms) as starts:
        losses = sample_losses(model, x1, x0, t, y)
        found = torch.autograd.grad(losses.sum(), [*starts, *trainable.values()], allow_unused=True)
    # Parameters of known layers are hidden from autograd; those that it finds were used in another way.
    missed = [name for name, gradient in zip(trainable, found[len(starts) :], strict=True) if gradient is not None]
    if missed:
        kinds = ", ".join(kind.__name__ for kind in KINDS)
        raise UserError(f"gradient norms: {', '.join(missed)} not used by a layer that is known ({kinds}); freeze them")
    return RowScores(losses.detach(), norms)


@contextlib.contextmanager
def _hooks(model: nn.Module, norms: Tensor) -> Iterator[list[Tensor]]:
    """Context in which a forward and backward pass of `model` adds the terms of every known layer to `norms` [B].

    Yields a list to which the forward pass appends the tensors at which its graph starts.
    """
    handles: list[RemovableHandle] = []
    starts: list[Tensor] = []
    used: set[nn.Parameter] = set()

    def register(name: str, layer: nn.Module, own: dict[str, nn.Parameter]) -> None:
        def hide(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            _set_trainable(own, False)

        def catch(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            _set_trainable(own, True)
            if not used.isdisjoint(own.values()):
                raise UserError(f"gradient norms: the weights of '{name}' are used twice in a pass; freeze them")
            used.update(own.values())
            if len(inputs) != 1 or not len(inputs[0]) == len(output) == len(norms):
                raise UserError(f"gradient norms: '{name}' does not see one row for each sample; freeze its weights")
            if not output.requires_grad:
                starts.append(output.requires_grad_())
            a = inputs[0].detach()
            version = a._version

            def add(g: Tensor) -> None:
                if a._version != version:
                    raise UserError(f"gradient norms: what '{name}' saw was overwritten; use no operation in place")
                shares = dict(zip(("weight", "bias"), KINDS[type(layer)](layer, a, g), strict=False))
                for key in own:
                    norms.add_(shares[key])

            handles.append(output.register_hook(add))

        handles.extend([layer.register_forward_pre_hook(hide), layer.register_forward_hook(catch)])

    layers = {}
    for name, layer in model.named_modules():
        own = {key: p for key, p in layer.named_parameters(recurse=False) if p.requires_grad}
        if own and type(layer) in KINDS:
            layers[name] = own
            register(name, layer, own)
    try:
        yield starts
    finally:
        for handle in handles:
            handle.remove()
        for own in layers.values():
            _set_trainable(own, True)


def _set_trainable(parameters: dict[str, nn.Parameter], trainable: bool) -> None:
    for parameter in parameters.values():
        parameter.requires_grad_(trainable)


def _linear(layer: nn.Linear, a: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    a, g = a.reshape(len(a), -1, layer.in_features), g.reshape(len(g), -1, layer.out_features)
    return _product_norms(a, g), _squares(g.sum(1))


def _convolution(layer: nn.Conv2d, a: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    """A linear layer on patches, at the positions of the output."""
    if layer.groups != 1 or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise UserError(
            f"gradient norms: {layer}: only one group, and zeros as padding, in numbers; freeze its weights"
        )
    shape: dict[str, Any] = {key: getattr(layer, key) for key in ("kernel_size", "dilation", "padding", "stride")}

    def norms(a: Tensor, g: Tensor) -> Tensor:
        return _product_norms(F.unfold(a, **shape).mT, g.mT)

    g = g.flatten(2)
    patches = a[0].shape[0] * math.prod(layer.kernel_size) * g.shape[2]
    return _in_parts(norms, patches, a, g), _squares(g.sum(2))


def _layer_norm(layer: nn.LayerNorm, a: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    normalised = F.layer_norm(a, layer.normalized_shape, eps=layer.eps)
    features = math.prod(layer.normalized_shape)
    return tuple(_squares(x.reshape(len(x), -1, features).sum(1)) for x in (g * normalised, g))


def _group_norm(layer: nn.GroupNorm, a: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    normalised = F.group_norm(a, layer.num_groups, eps=layer.eps)
    return tuple(_squares(x.flatten(2).sum(2)) for x in (g * normalised, g))


def _embedding(layer: nn.Embedding, a: Tensor, g: Tensor) -> tuple[Tensor, ...]:
    """A linear layer on one-hot vectors, whose inner products are 1 for equal indices, otherwise 0."""
    if layer.padding_idx is not None or layer.max_norm is not None or layer.scale_grad_by_freq:
        raise UserError(f"gradient norms: {layer}: only plain embeddings; freeze its weights")
    a, g = a.reshape(len(a), -1), g.reshape(len(g), -1, layer.embedding_dim)
    return (((g @ g.mT) * (a[:, :, None] == a[:, None])).sum((1, 2)),)


KINDS: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], tuple[Tensor, ...]]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.Embedding: _embedding,
}
"""(layer, its input, the gradient at its output) -> squared norms of the gradients of weight and bias, [B] each."""


def _product_norms(a: Tensor, g: Tensor) -> Tensor:
    """|sum_p g_p a_p^T|^2 for each row, [B], of `a` [B, P, I] and `g` [B, P, O], by the cheaper of two formulas."""
    positions, inputs, outputs = a.shape[1], a.shape[2], g.shape[2]
    if positions * (inputs + outputs) <= inputs * outputs:
        return _in_parts(lambda a, g: _dot(a @ a.mT, g @ g.mT), 2 * positions**2, a, g)
    return _in_parts(lambda a, g: _squares(g.mT @ a), inputs * outputs, a, g)


def _in_parts(norms: Callable[[Tensor, Tensor], Tensor], numbers: int, a: Tensor, g: Tensor) -> Tensor:
    """`norms(a, g)` [B] in chunks of rows, each row of which needs `numbers` of the workspace."""
    rows = max(1, WORKSPACE.get(a.device.type, WORKSPACE["cuda"]) // numbers)
    return torch.cat([norms(*part) for part in zip(a.split(rows), g.split(rows), strict=True)])


def _squares(x: Tensor) -> Tensor:
    """Sum of squares of each row."""
    return _dot(x, x)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of each row of x and y, [B]."""
    return (x.flatten(1)[:, None] @ y.flatten(1)[:, :, None])[:, 0, 0]
