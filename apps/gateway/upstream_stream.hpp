// UpstreamStream: judges the events of a streamed chat completion that comes from somebody else.
//
// Idea. Frames are recognised by the few bytes that matter instead of being parsed: inside a JSON string every quote is
// escaped, so the bytes "finish_reason" with both quotes occur only as a member's name. A frame costs one search.
//
// A value; one user at a time; never parks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/sse.hpp"

namespace reeve::gateway {

class UpstreamStream {
public:
    enum class Verdict : std::uint8_t {
        pass,     // `out` has the frame to pass on
        skip,     // nothing a client needs
        done,     // [DONE], after a finish_reason
        cut_off,  // [DONE] without one
        failed,   // an error frame; `out` has it. Nothing after it counts
    };

    // Appends to `out` one frame in the form that every client understands.
    Verdict take(const http::ServerEvent& event, std::string& out);
    // The upstream's stream has ended in order. Done or cut_off: some servers never send [DONE].
    [[nodiscard]] Verdict finish() const { return has_finished_ ? Verdict::done : Verdict::cut_off; }

private:
    bool has_finished_ = false;
};

// {"error":...} as the first thing in the frame's data.
[[nodiscard]] bool is_error_frame(std::string_view data);
// A member finish_reason that is neither null nor missing.
[[nodiscard]] bool has_finish_reason(std::string_view data);

}  // namespace reeve::gateway
