"""The plan of a study: its jobs, where their files lie, what they cost, and which of their results are out of date."""
