#include "keeper/removal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "abi.h"
#include "keeper/bpf_calls.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using std::error_code;

constexpr char kLayoutPrefix = 'v';

// v1, v2, …: each has maps, programs and links of its own.
std::vector<fs::path> Entries(const fs::path& directory) {
  std::vector<fs::path> entries;
  error_code ignored;
  for (fs::directory_iterator at(directory, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    entries.push_back(at->path());
  }
  return entries;
}

bool IsLayout(const fs::path& path) { return path.filename().string().front() == kLayoutPrefix; }

// Unpinning alone lets the kernel free a link some time later. Those of tracepoints cannot be
// detached: closing the last descriptor is all there is to do.
void RemoveLink(const fs::path& pin) {
  UniqueFd link;
  OpenPinned(pin.string(), &link);
  unlink(pin.c_str());
  if (!link.valid()) return;
  bpf_attr attributes = {};
  attributes.link_detach.link_fd = static_cast<uint32_t>(link.get());
  Bpf(BPF_LINK_DETACH, &attributes);
}

// Nothing new is led to us before the rest is taken away that it needs.
void RemoveLinks(const fs::path& layout) {
  std::vector<fs::path> links = Entries(layout / "links");
  std::ranges::stable_partition(links, [](const fs::path& link) {
    return link.filename().string().rfind("connect", 0) == 0;
  });
  for (const fs::path& link : links) RemoveLink(link);
}

// As std::filesystem::remove_all, which asks for what bpffs does not give.
void RemoveTree(const fs::path& directory) {
  for (const fs::path& entry : Entries(directory)) {
    error_code ignored;
    if (fs::is_directory(fs::symlink_status(entry, ignored))) {
      RemoveTree(entry);
    } else {
      unlink(entry.c_str());
    }
  }
  rmdir(directory.c_str());
}

uint64_t LastClaimIn(const fs::path& layout) {
  UniqueFd map;
  if (OpenPinned((layout / "maps/generation_claims").string(), &map) != 0) return 0;
  uint64_t last = 0;
  for (uint32_t slot = 0; slot < SLUICE_GENERATIONS; slot++) {
    sluice_claim claim = {};
    bpf_attr attributes = {};
    attributes.map_fd = static_cast<uint32_t>(map.get());
    attributes.key = reinterpret_cast<uint64_t>(&slot);
    attributes.value = reinterpret_cast<uint64_t>(&claim);
    if (Bpf(BPF_MAP_LOOKUP_ELEM, &attributes) == 0) {
      last = std::max<uint64_t>(last, claim.claimed_ns);
    }
  }
  return last;
}

}  // namespace

uint64_t LastClaimNs(const Traces& traces) {
  uint64_t last = 0;
  for (const fs::path& entry : Entries(traces.pins)) {
    if (IsLayout(entry)) last = std::max(last, LastClaimIn(entry));
  }
  return last;
}

bool RemovePins(const Traces& traces, const std::function<bool()>& still_unused) {
  const UniqueFd lock(open(traces.pins.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.valid() && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return false;
  if (!still_unused()) return false;
  for (const fs::path& entry : Entries(traces.pins)) {
    if (IsLayout(entry)) RemoveLinks(entry);
  }
  RemoveTree(traces.pins);
  rmdir(fs::path(traces.pins).parent_path().c_str());
  return true;
}

void RemoveFiles(const Traces& traces, const std::string& keeper_socket) {
  const std::string takeover = traces.root + traces.takeover;
  RemoveTree(traces.root + traces.state);
  unlink(takeover.c_str());
  unlink((traces.root + keeper_socket).c_str());
  for (const std::string& socket : {takeover, traces.root + keeper_socket}) {
    rmdir(fs::path(socket).parent_path().c_str());
  }
}

}  // namespace sluice
