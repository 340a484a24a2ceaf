#include "bpf/load_log.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <vector>

namespace sluice {
namespace {

thread_local LoadLog* current_log = nullptr;

// A verifier's log has no bound of its own; what explains a rejection is at its end, so the head
// may go.
constexpr size_t kMaxTextBytes = 8 << 20;

constexpr std::string_view kLogBegin = "-- BEGIN PROG LOAD LOG --";
constexpr std::string_view kLogEnd = "-- END PROG LOAD LOG --";

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) lines.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool IsStatistics(std::string_view line) {
  return line.starts_with("processed ") || line.starts_with("verification time") ||
         line.starts_with("stack depth");
}

// "7: (79) r1 = *(u64 *)(r0 +0)": the verifier walks through the program.
bool IsInstruction(std::string_view line) {
  const size_t digits = line.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string_view::npos && line.substr(digits).starts_with(": (");
}

// Where the walk has ended and the verifier says why. From 7.3 on that takes many lines, of which
// the first ones name what is wrong.
size_t ExplanationOf(const std::vector<std::string_view>& lines) {
  size_t at = lines.size();
  while (at > 0 && !IsInstruction(lines[at - 1])) at--;
  return at;
}

}  // namespace

struct LoadLogPrinter {
  static int Print(enum libbpf_print_level level, const char* format, va_list args) {
    if (current_log == nullptr || level == LIBBPF_DEBUG) return 0;
    va_list measured;
    va_copy(measured, args);
    const int size = vsnprintf(nullptr, 0, format, measured);
    va_end(measured);
    if (size <= 0) return 0;
    std::string& text = current_log->text_;
    const size_t at = text.size();
    text.resize(at + static_cast<size_t>(size) + 1);
    vsnprintf(text.data() + at, static_cast<size_t>(size) + 1, format, args);
    text.pop_back();
    if (text.size() > kMaxTextBytes) text.erase(0, text.size() - kMaxTextBytes);
    return size;
  }
};

LoadLog::LoadLog() {
  static std::once_flag once;
  std::call_once(once, [] { libbpf_set_print(LoadLogPrinter::Print); });
  current_log = this;
}

LoadLog::~LoadLog() { current_log = nullptr; }

std::string LoadLog::RejectedProgram() const {
  const size_t begin = text_.rfind(kLogBegin);
  if (begin == std::string::npos) return {};
  const size_t line = text_.rfind('\n', begin);
  const size_t open = text_.find('\'', line == std::string::npos ? 0 : line);
  if (open == std::string::npos || open > begin) return {};
  const size_t close = text_.find('\'', open + 1);
  return close < begin ? text_.substr(open + 1, close - open - 1) : std::string();
}

std::string LoadLog::Reason(size_t max_lines) const {
  std::string_view part = text_;
  const size_t begin = text_.rfind(kLogBegin);
  if (begin != std::string::npos) {
    part.remove_prefix(begin + kLogBegin.size());
    part = part.substr(0, part.find("libbpf: prog"));
    part = part.substr(0, part.find(kLogEnd));
  }
  std::vector<std::string_view> lines = Lines(part);
  std::erase_if(lines, IsStatistics);
  size_t first = lines.size() > max_lines ? lines.size() - max_lines : 0;
  const size_t explanation = ExplanationOf(lines);
  if (explanation > 0 && explanation < first) first = explanation;
  const size_t end = std::min(lines.size(), first + max_lines);
  std::string reason;
  for (size_t i = first; i < end; i++) {
    if (!reason.empty()) reason += '\n';
    reason += lines[i];
  }
  return reason;
}

}  // namespace sluice
