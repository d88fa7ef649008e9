#include "core/available_cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

namespace subgraft {
namespace {

constexpr int kNoLimit = 1 << 20;

int cpus_of_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());  // more CPUs than the set can hold
}

int cpus_of(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return kNoLimit;
  return std::max(1, static_cast<int>(std::min(std::ceil(quota / period), double{kNoLimit})));
}

// Version 2: "max 100000" or "150000 100000".
int limit_of_cpu_max(const std::string& path) {
  std::ifstream file(path);
  double quota = 0, period = 0;
  return file >> quota >> period ? cpus_of(quota, period) : kNoLimit;  // "max" is no number
}

// Version 1: -1 for no limit.
int limit_of_cfs(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  return quota_file >> quota && period_file >> period ? cpus_of(quota, period) : kNoLimit;
}

// The least along a group's path: each of its parents limits it too.
template <typename Limit>
int least(const std::string& base, std::string group, Limit limit) {
  int found = limit(base);
  while (!group.empty() && group != "/") {
    found = std::min(found, limit(base + group));
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  return found;
}

// Lines of /proc/self/cgroup are "number:controllers:path"; version 2 has the number 0 and no controllers.
int cpus_of_groups(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  const std::string groups = root + "/sys/fs/cgroup";
  int found = kNoLimit;
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (path.find("..") != std::string::npos) continue;
    if (controllers == ",,")
      found =
          std::min(found, least(groups, path, [](const std::string& at) { return limit_of_cpu_max(at + "/cpu.max"); }));
    else if (controllers.find(",cpu,") != std::string::npos)
      found = std::min(found, least(groups + "/cpu", path, limit_of_cfs));
  }
  return found;
}

}  // namespace

int available_cpus(const std::string& root) { return std::max(1, std::min(cpus_of_affinity(), cpus_of_groups(root))); }

}  // namespace subgraft
