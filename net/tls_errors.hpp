// What the TLS engine's complaints mean, as errors whose operation tells a person what to do about them.
//
// take_tls_problem() reads and empties the calling OS thread's error queue: directly after the engine call
// that failed, with no call in between that may park. Never parks.
#pragma once

#include <string>

#include "runtime/base/result.hpp"

struct ssl_st;

namespace reeve::net {

struct TlsProblem {
    Error error;
    std::string text;  // the error's operation, and what the engine said in its own words
};

// Why the last call on `engine` failed. Not for "want read".
TlsProblem take_tls_problem(const ssl_st* engine);

// The same for a call without a connection; `operation` must be a constant string, used when the queue says
// nothing better.
Error take_tls_error(const char* operation);

}  // namespace reeve::net
