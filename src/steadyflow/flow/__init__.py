"""Flow matching: the interpolant and its velocity target, the solvers, sampling. t=0 is noise, t=1 is data."""

from steadyflow.flow.interpolant import Interpolation, interpolate
from steadyflow.flow.sampling import CountedVelocity, guide
from steadyflow.flow.solvers import SOLVERS, euler, uniform_grid

__all__ = ["SOLVERS", "CountedVelocity", "Interpolation", "euler", "guide", "interpolate", "uniform_grid"]
