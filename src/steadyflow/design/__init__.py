"""The experimental design that follows from a study's specs: runs that repeat an experiment with other seeds, and
series of runs over one quantity. Imports no torch and no pandas: every job parses the Snakefile."""
