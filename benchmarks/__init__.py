"""Speed beside the rival: each claim in the documentation comes from a module of this folder."""
