// One JSON line an event on standard error, as the proxy's own log has them.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

namespace sluice {

// Messages are constants and need no escaping.
void Log(std::string_view message,
         std::initializer_list<std::pair<std::string_view, long long>> fields = {});

// For errors: with the text of an errno and the file or object it is about.
void LogError(std::string_view message, std::string_view subject, int error);

}  // namespace sluice
