"""python -m subgraft.backends.edgetpu.emulator.compiler"""

import sys

from subgraft.backends.edgetpu.emulator.compiler.command import main

if __name__ == "__main__":
    sys.exit(main())
