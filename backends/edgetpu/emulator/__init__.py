"""A Coral USB Accelerator that does not exist: for tests, and for users' CI without a stick. It says so everywhere."""

from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.faults import Fault, storm
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram
from subgraft.backends.edgetpu.emulator.urb import Urb

__all__ = ["EmulatedCoral", "EmulatedProgram", "Fault", "Urb", "storm"]
