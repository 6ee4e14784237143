// Fault: failures that a client may order from the simulated model, to see how it copes with them.
//
// Asked for with the request header x-reeve-fault. A value; never parks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reeve::gateway {

enum class Fault : std::uint8_t {
    none,
    too_many,    // "429": refused with Retry-After
    internal,    // "500"
    hang,        // no byte of an answer
    stall,       // silence after a few tokens
    cut,         // the stream breaks off inside its body
    eof,         // the stream ends in order, but without a finish_reason: a truncation that is easily overlooked
    malformed,   // a frame that is not JSON
    utf8_split,  // a character of several bytes is cut between two writes
    huge_line,   // one frame of 256 KiB
};

// The header's value; an empty one is `none`. No value: nobody knows that name.
[[nodiscard]] constexpr std::optional<Fault> fault_of(std::string_view name) {
    if (name.empty()) return Fault::none;
    if (name == "429") return Fault::too_many;
    if (name == "500") return Fault::internal;
    if (name == "hang") return Fault::hang;
    if (name == "stall") return Fault::stall;
    if (name == "cut") return Fault::cut;
    if (name == "eof") return Fault::eof;
    if (name == "malformed") return Fault::malformed;
    if (name == "utf8-split") return Fault::utf8_split;
    if (name == "huge-line") return Fault::huge_line;
    return std::nullopt;
}

}  // namespace reeve::gateway
