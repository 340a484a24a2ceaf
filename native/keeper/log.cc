#include "keeper/log.h"

#include <unistd.h>

#include <cstring>
#include <ctime>
#include <string>

namespace sluice {
namespace {

// pino's numbers.
constexpr int kInfo = 30;
constexpr int kError = 50;

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return escaped;
}

std::string Begin(int level, std::string_view message) {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  const long long ms = static_cast<long long>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
  return "{\"level\":" + std::to_string(level) + ",\"time\":" + std::to_string(ms) +
         ",\"pid\":" + std::to_string(getpid()) + ",\"name\":\"keeper\",\"msg\":\"" +
         Escaped(message) + "\"";
}

// One write: lines of several processes in one file do not mix. A reader that is gone is no reason
// to end.
void Write(const std::string& line) {
  [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void Log(std::string_view message,
         std::initializer_list<std::pair<std::string_view, long long>> fields) {
  std::string line = Begin(kInfo, message);
  for (const auto& [name, value] : fields) {
    line += ",\"" + std::string(name) + "\":" + std::to_string(value);
  }
  Write(line + "}\n");
}

void LogError(std::string_view message, std::string_view subject, int error) {
  std::string line = Begin(kError, message);
  line += ",\"subject\":\"" + Escaped(subject) + "\",\"errno\":" + std::to_string(error);
  line += ",\"error\":\"" + Escaped(strerror(error)) + "\"}\n";
  Write(line);
}

}  // namespace sluice
