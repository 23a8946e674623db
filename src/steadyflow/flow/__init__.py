"""Flow matching and its alternatives: interpolant, couplings, targets, solvers, sampling. t=0 is noise, t=1 is data."""

from steadyflow.flow.closed_form import explicit_target
from steadyflow.flow.coupling import COUPLINGS, Coupling, independent, ot
from steadyflow.flow.diffusion import SIGNALS, ancestral, ddim, diffuse
from steadyflow.flow.interpolant import Interpolation, interpolate
from steadyflow.flow.sampling import GUIDED_CHANNELS, CountedVelocity, Start, begin_samples, guide, labels_said
from steadyflow.flow.solvers import (
    SOLVERS,
    dopri5,
    euler,
    heun,
    midpoint,
    nearest_points,
    time_shift,
    trace,
    trace_dopri5,
    uniform_grid,
)
from steadyflow.flow.transform import TRANSFORMS, channel_matrix, transform_channels

__all__ = [
    "COUPLINGS",
    "GUIDED_CHANNELS",
    "SIGNALS",
    "SOLVERS",
    "TRANSFORMS",
    "CountedVelocity",
    "Coupling",
    "Interpolation",
    "Start",
    "ancestral",
    "begin_samples",
    "channel_matrix",
    "ddim",
    "diffuse",
    "dopri5",
    "euler",
    "explicit_target",
    "guide",
    "heun",
    "independent",
    "interpolate",
    "labels_said",
    "midpoint",
    "nearest_points",
    "ot",
    "time_shift",
    "trace",
    "trace_dopri5",
    "transform_channels",
    "uniform_grid",
]
