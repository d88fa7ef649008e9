"""A stand-in for Google's edgetpu_compiler: what it makes runs on the emulated Edge TPU and nowhere else."""

from subgraft.backends.edgetpu.emulator.compiler.choosing import MAPPED, Settings
from subgraft.backends.edgetpu.emulator.compiler.compilation import (
    Compilation,
    compile_model,
    compile_models,
    compile_pipeline,
)
from subgraft.backends.edgetpu.emulator.compiler.errors import CompilationFailed, CompilerError, InvalidModel

__all__ = [
    "MAPPED",
    "Compilation",
    "CompilationFailed",
    "CompilerError",
    "InvalidModel",
    "Settings",
    "compile_model",
    "compile_models",
    "compile_pipeline",
]
