"""Couplings: which noise of a batch meets which data. x0 is permuted, never x1, so that labels stay in place."""

from collections.abc import Callable

import torch
from torch import Tensor

# (x0, x1), both [B, ...] -> x0, its rows permuted.
Coupling = Callable[[Tensor, Tensor], Tensor]


def independent(x0: Tensor, x1: Tensor) -> Tensor:
    """x0 as it was drawn."""
    return x0


def ot(x0: Tensor, x1: Tensor) -> Tensor:
    """Minibatch optimal transport (Tong et al., 2024): the permutation of x0 with the least sum of |x0_i - x1_i|^2.

    Exact, in float64 on the CPU, in O(B^3): for x0, x1 [B, ...] of some thousand rows at most. Labels are not seen.
    """
    from scipy.optimize import linear_sum_assignment

    # |x0|^2 and |x1|^2 are summed whole whatever is paired, so the inner products decide.
    costs = -(x1.double().flatten(1) @ x0.double().flatten(1).T)
    _, chosen = linear_sum_assignment(costs.cpu().numpy())
    return x0[torch.from_numpy(chosen).to(x0.device)]


COUPLINGS: dict[str, Coupling] = {"independent": independent, "ot": ot}
