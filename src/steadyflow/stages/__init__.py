"""The stages of the workflow, each declared once: what it reads, leaves, depends on and costs."""
