"""The design of a study's experiments, read off its specs: which runs repeat one experiment with other seeds, and which
form a series over one quantity. Imports no torch and no pandas: the Snakefile is parsed again by every job.
"""
