// What is left of Sluice on a node, and its removal once no proxy has been there for long.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace sluice {

struct Traces {
  std::string pins;      // the node's directory on a bpffs
  std::string state;     // the proxy's files
  std::string takeover;  // the socket at which a proxy is found by its successor
  std::string root;      // the node's root as we see it, before the two above; empty: it is ours
};

// CLOCK_MONOTONIC of the latest start of a proxy, by the generations that are claimed; 0: none is.
uint64_t LastClaimNs(const Traces& traces);

// Takes the hooks away, connect first, and then all that they led to. A proxy that starts has the
// same lock, so `still_unused` is asked again once we have it. False: nothing was changed.
bool RemovePins(const Traces& traces, const std::function<bool()>& still_unused);

// State, sockets, and the directories of these where nothing else is in them.
void RemoveFiles(const Traces& traces, const std::string& keeper_socket);

}  // namespace sluice
