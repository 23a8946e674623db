"""Couplings of the noise and data in a batch. x0 is permuted, never x1, so that labels keep their order."""

from collections.abc import Callable

import torch
from torch import Tensor

# (x0, x1), both [B, ...] -> x0, its rows permuted.
Coupling = Callable[[Tensor, Tensor], Tensor]


def independent(x0: Tensor, x1: Tensor) -> Tensor:
    """The independent coupling: x0 unchanged."""
    return x0


def ot(x0: Tensor, x1: Tensor) -> Tensor:
    """Minibatch optimal transport (Tong et al., 2024): the permutation of x0 with the least sum of |x0_i - x1_i|^2.

    Exact, in float64 on the CPU, in O(B^3), so for x0, x1 [B, ...] with at most some thousand rows. Labels are ignored.
    """
    from scipy.optimize import linear_sum_assignment

    # The sums of |x0|^2 and |x1|^2 do not depend on the pairing, so the inner products are sufficient.
    costs = -(x1.double().flatten(1) @ x0.double().flatten(1).T)
    _, chosen = linear_sum_assignment(costs.cpu().numpy())
    return x0[torch.from_numpy(chosen).to(x0.device)]


COUPLINGS: dict[str, Coupling] = {"independent": independent, "ot": ot}
