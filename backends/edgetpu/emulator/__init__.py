"""A Coral that exists in software."""
