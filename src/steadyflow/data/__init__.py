"""Sources of images, writing a dataset to disk, and reading it."""
