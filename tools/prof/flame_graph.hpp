// Flame graph: a profile as one self-contained SVG file.
//
// The root is at the bottom, callees stand on their callers, widths are times; neighbours are in alphabetical
// order, so left and right mean nothing. Readable as a picture; in a browser a little script inside adds zoom
// (click), search (the field, regular expressions) and tooltips. Light and dark follow the viewer's setting.
#pragma once

#include <string>

#include "tools/prof/folded.hpp"

namespace reeve::prof {

struct FlameText {
    std::string title;
    std::string subtitle;
};

[[nodiscard]] std::string flame_graph(const Folded& folded, const FlameText& text);

}  // namespace reeve::prof
