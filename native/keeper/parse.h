// Bodies of messages, checked before anything is believed.
#pragma once

#include <cerrno>
#include <cstring>

#include "keeper/pods.h"
#include "keeper/protocol.h"
#include "keeper/session.h"

namespace sluice {

// Copies a plain struct from the front of the body. False when the body is shorter.
template <typename T>
bool ReadFront(const Request& request, T* out) {
  if (request.body_bytes < sizeof(T)) return false;
  memcpy(out, request.body, sizeof(T));
  return true;
}

// uid, alive path, facts and the descriptors, which move into the pod. 0 or -errno.
inline int ParsePod(Request& request, Pod* pod) {
  KeeperPod sizes = {};
  if (!ReadFront(request, &sizes)) return -EINVAL;
  if (sizes.uid_bytes == 0 || sizes.uid_bytes > kMaxUidBytes ||
      sizes.alive_path_bytes > kMaxAlivePathBytes || sizes.facts_bytes > kMaxFactsBytes) {
    return -EMSGSIZE;
  }
  const size_t total = sizeof(sizes) + sizes.uid_bytes + sizes.alive_path_bytes + sizes.facts_bytes;
  if (request.body_bytes != total) return -EINVAL;
  const char* at = reinterpret_cast<const char*>(request.body) + sizeof(sizes);
  pod->uid.assign(at, sizes.uid_bytes);
  at += sizes.uid_bytes;
  pod->alive_path.assign(at, sizes.alive_path_bytes);
  at += sizes.alive_path_bytes;
  pod->facts.assign(at, sizes.facts_bytes);
  pod->fds = std::move(request.fds);
  return 0;
}

inline std::vector<uint8_t> PodBody(const Pod& pod) {
  const KeeperPod sizes = {static_cast<uint16_t>(pod.uid.size()),
                           static_cast<uint16_t>(pod.alive_path.size()),
                           static_cast<uint32_t>(pod.facts.size())};
  std::vector<uint8_t> body;
  Append(body, sizes);
  AppendBytes(body, pod.uid.data(), pod.uid.size());
  AppendBytes(body, pod.alive_path.data(), pod.alive_path.size());
  AppendBytes(body, pod.facts.data(), pod.facts.size());
  return body;
}

}  // namespace sluice
