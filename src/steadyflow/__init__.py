"""Measure the stability of latent flow matching, and exploit it."""
