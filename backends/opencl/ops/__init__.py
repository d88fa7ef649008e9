"""How ops become launches, one family a file. Importing this registers them all (lowering.LOWERINGS)."""
