"""Downloads: files from the network, resumed, verified, and under their final names only when complete."""
