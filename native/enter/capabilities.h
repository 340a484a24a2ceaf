// Which capabilities a container keeps.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace sluice::enter {

// By its name without CAP_, as pod specs write it. Only those that a test of ours asks for.
std::optional<int> CapabilityNamed(std::string_view name);

// Takes all but a container's default set and `added` from the bounding set: root has, after exec,
// what that set allows. False with errno when one cannot be dropped.
bool KeepContainerCapabilities(const std::vector<int>& added);

}  // namespace sluice::enter
