// Names for people: what a demangled C++ name says, without what it repeats.
#pragma once

#include <string>
#include <string_view>

namespace reeve::prof {

// "reeve::Channel<std::string>::send(std::string, reeve::Deadline) const [clone .isra.0]" becomes
// "reeve::Channel<std::string>::send": parameters, return types, clone suffixes and qualifiers go; template
// arguments stay unless they are long; lambdas keep their number.
[[nodiscard]] std::string shortened(std::string_view demangled);

// Separators of the folded format may not occur in a frame.
[[nodiscard]] std::string foldable(std::string_view name);

}  // namespace reeve::prof
