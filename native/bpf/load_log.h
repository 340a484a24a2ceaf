// What libbpf says while it loads an object, kept for the error message.
#pragma once

#include <string>

namespace sluice {

// While one lives, libbpf's messages of this thread are collected instead of printed: libbpf has
// one print function for the process, and several worker threads may load at once.
class LoadLog {
 public:
  LoadLog();
  ~LoadLog();
  LoadLog(const LoadLog&) = delete;
  LoadLog& operator=(const LoadLog&) = delete;

  const std::string& text() const { return text_; }

  // The program whose verifier log is in the text; empty when the failure was another one.
  std::string RejectedProgram() const;

  // The lines that say why, at most so many: the last ones of the verifier's log without its
  // statistics, or the first ones of an explanation that is longer; else the last of libbpf's
  // messages.
  std::string Reason(size_t max_lines) const;

 private:
  friend struct LoadLogPrinter;
  std::string text_;
};

}  // namespace sluice
