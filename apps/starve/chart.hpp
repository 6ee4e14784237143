// Chart: one panel per mode, latency on a logarithmic scale over the number of hogs.
//
// Per run one column: a bar from the median to the 99th percentile, a thin line on to the slowest answer, and
// above the timeout a mark with the share of requests that got none. Panels share the scale, so heights
// compare across them.
#pragma once

#include <string>

#include "apps/starve/results.hpp"

namespace reeve::starve {

// A whole SVG document; also fit to be put into a page as it is.
[[nodiscard]] std::string as_svg(const Demonstration& demonstration);

}  // namespace reeve::starve
