"""OpenCL devices: GPUs of any vendor, and CPUs through PoCL."""
