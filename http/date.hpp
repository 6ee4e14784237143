// The Date header's text, formatted once per second for the whole process. Internal.
//
// Idea. A sequence lock around five words: readers copy them without writing to shared memory; whoever finds them
// stale formats the new second for itself and publishes it if nobody else is doing so. Every access is atomic, so a
// torn copy is detected, never undefined. Never parks, any thread.
#pragma once

#include <string>

namespace reeve::http {

// Appends "Sun, 06 Nov 1994 08:49:37 GMT".
void append_date(std::string& out);

}  // namespace reeve::http
