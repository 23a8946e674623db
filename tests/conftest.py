import os

# Before torch is imported: threads of small work on shared cores only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
