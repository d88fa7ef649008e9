"""Our CPU interpreter beside LiteRT's on whole models: speed, load, memory."""
