// The command line of sluice-enter.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::enter {

struct Sysctl {
  std::string path;  // below /proc/sys
  std::string value;
};

struct Options {
  std::string cgroup;  // cgroup v2 folder; empty: stays where it is
  std::string netns;   // namespace file; empty: stays where it is
  std::vector<Sysctl> sysctls;
  bool die_with_parent = false;
  bool container = false;
  std::vector<int> added_capabilities;
  std::optional<uid_t> user;  // also the group
  bool pause = false;
  char** command = nullptr;  // null-terminated; unused with `pause`
};

extern const std::string_view kUsage;

// What is wrong with the arguments, or nothing.
std::optional<std::string> Parse(int argc, char** argv, Options* options);

}  // namespace sluice::enter
