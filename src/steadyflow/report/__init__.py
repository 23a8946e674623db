"""From tidy metrics to what a reader sees: tables, figures, and the papers' numbers beside ours."""
