"""The papers' pruning criteria, by the names that studies give them."""

SCORED = ("loss", "loss_inv", "grad", "grad_inv")
CLUSTERED = ("cluster_p", "cluster_p_inv", "cluster_b", "cluster_b_inv")
PAPERS = ("random", *SCORED, *CLUSTERED)
"""Those of Table 3a. Kernel herding and balance by labels have no similarity in print."""

ON_IMAGENET = ("random", *CLUSTERED)
"""Those of Fig. 6."""

PRESERVING = ("cluster_b", "cluster_p", "grad", "loss_inv")
"""Those that preserve FID up to a pruning fraction of 0.5 (Exploiting Stability, Sec. 3.1)."""
