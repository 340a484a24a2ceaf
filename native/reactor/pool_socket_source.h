#pragma once

#include <memory>

#include "reactor/socket_source.h"

namespace sluice {

// The socket pool behind the reactor's interface. Nullptr, and errno in *error, when the pool
// cannot start.
std::unique_ptr<SocketSource> CreatePoolSocketSource(int* error);

}  // namespace sluice
