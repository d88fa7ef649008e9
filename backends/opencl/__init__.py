"""OpenCL devices: GPUs of any vendor, and CPUs through PoCL."""

from subgraft.backends.opencl.delegate import OpenCl

__all__ = ["OpenCl"]
