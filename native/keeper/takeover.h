// How a new keeper gets what an older one holds.
#pragma once

#include <string>

#include "keeper/keeper.h"

namespace sluice {

enum class TakeoverOutcome {
  kNobody,  // no keeper answers at the path
  kServed,  // one that is new enough does: nothing to do here
  kTaken,   // everything is here, and the other is gone
  kFailed,  // it goes on as before; what came here is to be dropped
};

// Waits for the other keeper a few seconds at most a step. `replace` takes over from one of the
// same version too. *error is the errno of kFailed.
TakeoverOutcome TakeOver(const std::string& path, bool replace, Keeper& keeper, int* error);

}  // namespace sluice
