"""Sources of images, the dataset on disk, and reading it back."""
