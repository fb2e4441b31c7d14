// Compiled into tfjs-node's binding. The library out of the wheel logs through absl, which takes no level from the
// environment: TF_CPP_MIN_LOG_LEVEL does nothing there. Its notes at every start go; warnings and errors stay.
#include "absl/log/globals.h"

static const bool quiet = [] {
  absl::SetMinLogLevel(absl::LogSeverityAtLeast::kWarning);
  return true;
}();
