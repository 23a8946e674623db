"""What the tiny studies share."""

import yaml

# Of digits of 16x16, in seconds.
TINY_TOKENIZER = {
    "width": 8,
    "multipliers": [1, 2],
    "blocks": 1,
    "codebook_size": 32,
    "codebook_init": "data",
    "perceptual": "none",
    "adversarial": "none",
    "precision": "fp32",
    "steps": 20,
    "batch_size": 16,
    "learning_rate": 2.0e-3,
    "ema_decay": 0.9,
}

# A study with something of everything that tables and figures show.
TINY = yaml.safe_load("""
name: tiny
datasets:
  digits: {source: digits, resolution: 16, val_fraction: 0.2}
tokenizers:
  vqvae: {adversarial: {start: 10, width: 8, layers: 1}}
encoders:
  probe: {width: 8, feature_dim: 16, steps: 30}
clusterings:
  k10: {k: 10, restarts: 1, compare_k: [5, 20]}
  k5: {k: 5, restarts: 1}
scorings:
  surrogate: {timesteps: 2, noises: 1}
subsets:
  cluster_b-0.5: {criterion: cluster_b, pruning_fraction: 0.5, clusters: k10}
  cluster_b_inv-0.5: {criterion: cluster_b_inv, pruning_fraction: 0.5, clusters: k10}
  cluster_b-0.5-k5: {criterion: cluster_b, pruning_fraction: 0.5, clusters: k5}
  cluster_b-0.75: {criterion: cluster_b, pruning_fraction: 0.75, clusters: k10}
  loss-0.5: {criterion: loss, pruning_fraction: 0.5, scores: surrogate}
  threes: {criterion: attribute_value, attribute: label, value: "3"}
  eights: {criterion: attribute_value, attribute: label, value: "8"}
defaults:
  runs: {model: DiT-T/2, precision: fp32, steps: 10, batch_size: 16, learning_rate: 1.0e-3, ema_decay: 0.9}
runs:
  surrogate: {steps: 5}
  unpruned: {label: all images}
  cluster_b-0.5: {label: balanced clusters, subset: cluster_b-0.5}
  cluster_b_inv-0.5: {subset: cluster_b_inv-0.5}
  cluster_b-0.5-k5: {subset: cluster_b-0.5-k5}
  cluster_b-0.75: {subset: cluster_b-0.75}
  threes: {subset: threes}
  eights: {subset: eights}
  conditional:
    conditional: true
    subset: loss-0.5
    objective: {kind: explicit_flow_matching, candidates: 32}
  diffusion: {objective: diffusion}
  flipped: {objective: {kind: flow_matching, coupling: ot}, latent_transform: flip_all}
samplings:
  euler: {steps: 4, count: 64, guidance: 1.5, diffusion: {steps: 5}}
  heun: {solver: heun, steps: 4, count: 64, guidance: 1.5}
evaluations:
  digits:
    sampling: euler
    reference: unpruned
    ceiling: heun
    paths: 8
    mixtures: {threes_and_eights: {runs: [threes, eights]}}
    inverse_pairs: [[cluster_b-0.5, cluster_b_inv-0.5]]
""")
TINY["tokenizers"]["vqvae"] = {**TINY_TOKENIZER, **TINY["tokenizers"]["vqvae"]}
