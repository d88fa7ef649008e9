"""Load a model, run it, and take over when a delegate cannot."""
