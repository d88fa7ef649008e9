"""python -m subgraft: the command without its script."""

import sys

from subgraft.cli import main

if __name__ == "__main__":
    sys.exit(main())
