// Runs a command inside a pod of the lab: in its cgroup and its network namespace from the
// command's first instruction on, as a container runtime does.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "enter/capabilities.h"
#include "enter/container.h"
#include "enter/options.h"

namespace sluice::enter {
namespace {

// As a shell has it: the command cannot be started, or is not found.
constexpr int kCannotEnter = 125;
constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

[[noreturn]] void Fail(const std::string& step, int status = kCannotEnter) {
  fprintf(stderr, "sluice-enter: %s: %s\n", step.c_str(), strerror(errno));
  exit(status);
}

void WriteFile(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) Fail("open " + path);
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    Fail("write '" + text + "' to " + path);
  }
}

void EnterNetns(const std::string& path) {
  const UniqueFd netns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns.valid()) Fail("open " + path);
  if (setns(netns.get(), CLONE_NEWNET) != 0) Fail("enter " + path);
}

// The rest of the container needs a process that was born in the new PID namespace. Its parent
// waits, and ends as it ended; when the parent is killed, the child's parent-death signal ends the
// whole container.
void ForkContainer() {
  if (!UnshareContainer()) Fail("new namespaces");
  const pid_t child = fork();
  if (child < 0) Fail("fork");
  if (child > 0) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail("parent-death signal");
  if (const char* step = MountContainer()) Fail(step);
}

void ChangeUser(uid_t id) {
  if (setgroups(0, nullptr) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0) {
    Fail("change to user " + std::to_string(id));
  }
}

[[noreturn]] void Pause() {
  constexpr char kReady[] = "ready\n";
  if (write(STDOUT_FILENO, kReady, sizeof kReady - 1) < 0) Fail("report readiness");
  for (;;) pause();
}

int Run(const Options& options) {
  // The cgroup first: sockets belong to the cgroup that makes them, and so do all later steps'
  // costs.
  if (!options.cgroup.empty()) WriteFile(options.cgroup + "/cgroup.procs", "0");
  if (!options.netns.empty()) EnterNetns(options.netns);
  for (const Sysctl& sysctl : options.sysctls) WriteFile("/proc/sys/" + sysctl.path, sysctl.value);
  if (options.container) {
    ForkContainer();
    if (!KeepContainerCapabilities(options.added_capabilities)) Fail("drop capabilities");
  }
  if (options.user) ChangeUser(*options.user);
  // Last, because a change of user clears it.
  if (options.die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) Fail("parent-death signal");
  if (options.pause) Pause();
  execvp(options.command[0], options.command);
  Fail(std::string("run ") + options.command[0], errno == ENOENT ? kNotFound : kCannotRun);
}

}  // namespace
}  // namespace sluice::enter

int main(int argc, char** argv) {
  sluice::enter::Options options;
  if (const auto problem = sluice::enter::Parse(argc, argv, &options)) {
    fprintf(stderr, "sluice-enter: %s\n%s", problem->c_str(), sluice::enter::kUsage.data());
    return sluice::enter::kCannotEnter;
  }
  return sluice::enter::Run(options);
}
