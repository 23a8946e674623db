"""What the tiny studies share."""

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
