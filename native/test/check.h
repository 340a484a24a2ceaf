// A test program in one header: TEST(name) { CHECK(...); } and TEST_MAIN().
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

namespace sluice::test {

using TestFunction = void (*)();

inline std::vector<std::pair<const char*, TestFunction>>& Tests() {
  static std::vector<std::pair<const char*, TestFunction>> tests;
  return tests;
}

struct Registration {
  Registration(const char* name, TestFunction function) { Tests().emplace_back(name, function); }
};

// Runs all tests, or those whose name holds the argument. The number is the exit status.
inline int RunTests(int argc, char** argv) {
  int ran = 0;
  for (const auto& [name, function] : Tests()) {
    if (argc > 1 && strstr(name, argv[1]) == nullptr) continue;
    fprintf(stderr, "  %s\n", name);
    function();
    ran++;
  }
  if (ran == 0) fprintf(stderr, "no test ran\n");
  return ran == 0 ? 1 : 0;
}

}  // namespace sluice::test

#define TEST(name)                                                          \
  static void name();                                                       \
  static const ::sluice::test::Registration registered_##name(#name, name); \
  static void name()

#define TEST_MAIN() \
  int main(int argc, char** argv) { return ::sluice::test::RunTests(argc, argv); }

// Ends the program at the first failure: what follows would only fail because of it.
#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                      \
    }                                                                               \
  } while (false)

#define CHECK_EQ(actual, expected)                                                           \
  do {                                                                                       \
    const auto actual_value = (actual);                                                      \
    const auto expected_value = (expected);                                                  \
    if (!(actual_value == expected_value)) {                                                 \
      fprintf(stderr, "%s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #actual,     \
              static_cast<long long>(actual_value), static_cast<long long>(expected_value)); \
      exit(1);                                                                               \
    }                                                                                        \
  } while (false)
