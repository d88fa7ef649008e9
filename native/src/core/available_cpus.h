// How many CPUs this process may use.
#pragma once

#include <string>

namespace subgraft {

// CPUs of the calling thread's affinity, less where control groups give the process less time than that (their quota
// by their period, rounded up). At least 1. `root`: a folder to look for /proc and /sys in.
int available_cpus(const std::string& root = "");

}  // namespace subgraft
