"""Downloads: resumable, verified by hashes, and renamed to their final names when complete."""
