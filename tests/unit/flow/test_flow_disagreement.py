import pytest
import torch

from steadyflow.flow import velocity_disagreement
from steadyflow.ground.artifacts import UserError


def affine(scale, shift):
    """A field that depends on the point and the time."""
    return lambda x, t: scale * t[:, None, None] * x + shift


def test_against_the_formula_by_time():
    torch.manual_seed(0)
    x, t = torch.randn(3, 50, 2, 4), torch.tensor([0.0, 0.4, 1.0])
    found = velocity_disagreement(affine(1.0, 0.5), affine(0.25, 0.0), x, t)
    expected = [((0.75 * time * points + 0.5) ** 2).sum(dim=(1, 2)).mean() for points, time in zip(x, t, strict=True)]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([float(each) for each in expected], rel=1e-5)
    assert velocity_disagreement(affine(1.0, 0.5), affine(1.0, 0.5), x, t).tolist() == [0, 0, 0]


def test_of_independent_errors_it_is_twice_their_variance():
    """Two fields of one mean, each with its own normal error of SD 0.1 in 64 dimensions."""
    torch.manual_seed(1)
    x = torch.randn(1, 4000, 64)

    def trained(x, t):
        return x + 0.1 * torch.randn_like(x)

    assert velocity_disagreement(trained, trained, x, torch.tensor([0.5])).item() == pytest.approx(2 * 0.64, rel=0.02)


def test_a_time_for_each_set_of_points():
    with pytest.raises(UserError, match="points at 2 times, but 3 times"):
        velocity_disagreement(affine(1, 0), affine(1, 0), torch.zeros(2, 4, 1, 1), torch.zeros(3))
