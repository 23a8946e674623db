"""What everything stands on: randomness, files, locks, several processes as one, names."""
