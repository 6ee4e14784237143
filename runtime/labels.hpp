// Labels: what a fiber works on, as a small list of key and value: a request's id, a tenant (Go's pprof labels).
//
// Given in FiberOptions and inherited by every fiber that the fiber starts; a key that is given again replaces the
// inherited value. Shown by the dump, read by this_fiber::labels(). A list that is inherited is shared, not copied.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace reeve {

using Labels = std::vector<std::pair<std::string, std::string>>;

}  // namespace reeve
