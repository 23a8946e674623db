"""Flow matching and diffusion: interpolant, couplings, targets, solvers, sampling. t=0 is noise, t=1 is data."""

from steadyflow.flow.closed_form import explicit_target
from steadyflow.flow.coupling import COUPLINGS, Coupling, independent, ot
from steadyflow.flow.diffusion import ALPHAS_CUMPROD, ancestral, ddim, diffuse
from steadyflow.flow.disagreement import velocity_disagreement
from steadyflow.flow.gaussian import Gaussian, decompose, gaussian_transport, gaussian_velocity
from steadyflow.flow.interpolant import Interpolation, interpolate
from steadyflow.flow.sampling import (
    GUIDED_CHANNELS,
    SAMPLERS,
    CountedVelocity,
    Noises,
    Start,
    begin_samples,
    guide,
    latent_shape,
    sample,
    solver_sampler,
)
from steadyflow.flow.solvers import (
    SOLVERS,
    dopri5,
    euler,
    heun,
    midpoint,
    solver_grid,
    time_shift,
    trace_dopri5,
    uniform_grid,
)
from steadyflow.flow.trajectories import nearest_points, solver_tracer, trace, trace_trajectories
from steadyflow.flow.transform import TRANSFORMS, channel_matrix, transform_channels

__all__ = [
    "ALPHAS_CUMPROD",
    "COUPLINGS",
    "GUIDED_CHANNELS",
    "SAMPLERS",
    "SOLVERS",
    "TRANSFORMS",
    "CountedVelocity",
    "Coupling",
    "Gaussian",
    "Interpolation",
    "Noises",
    "Start",
    "ancestral",
    "begin_samples",
    "channel_matrix",
    "ddim",
    "decompose",
    "diffuse",
    "dopri5",
    "euler",
    "explicit_target",
    "gaussian_transport",
    "gaussian_velocity",
    "guide",
    "heun",
    "independent",
    "interpolate",
    "latent_shape",
    "midpoint",
    "nearest_points",
    "ot",
    "sample",
    "solver_grid",
    "solver_sampler",
    "solver_tracer",
    "time_shift",
    "trace",
    "trace_dopri5",
    "trace_trajectories",
    "transform_channels",
    "uniform_grid",
    "velocity_disagreement",
]
