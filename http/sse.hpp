// SseParser: bytes of a text/event-stream, cut anywhere, to events.
//
// Idea. The caller feeds whatever arrived and takes events out until there is none; lines are found by scanning only
// new bytes, so a frame of hundreds of kilobytes on one line costs linear time. Tolerant where real servers are sloppy
// (CR, LF and CRLF, no space after "data:", a leading byte order mark, no blank line at the end of the stream), strict
// in one thing: one event may not exceed a bound, so a line that never ends does not eat the memory.
//
// A value; one user at a time; never parks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

namespace reeve::http {

struct ServerEvent {
    std::string event;  // empty: none was given, which means "message"
    std::string data;   // lines joined by '\n'
    std::string id;     // of this event; empty if none was given
};

class SseParser {
public:
    explicit SseParser(std::size_t event_bytes_max = 16 * 1024 * 1024) : event_bytes_max_(event_bytes_max) {}

    // Appends what arrived.
    void feed(std::string_view bytes);
    // The stream has ended: an event that lacks its blank line counts.
    void finish();
    // The next event; no value: more bytes are needed (or, after finish(), there are none). Error: too_large, for good.
    Result<std::optional<ServerEvent>> next();

    // Bytes held now, for tests and for callers that bound their own memory.
    [[nodiscard]] std::size_t buffered_bytes() const;

private:
    void take_line(std::string_view line);
    [[nodiscard]] bool dispatch(ServerEvent& out);

    std::string input_;
    std::size_t consumed_ = 0;  // of input_: lines taken
    std::size_t scanned_ = 0;   // of input_: no line end before here
    ServerEvent pending_;
    std::size_t event_bytes_max_;
    bool has_data_ = false;
    bool skip_lf_ = false;  // the last line ended in CR, which may be half a CRLF
    bool started_ = false;
    bool finished_ = false;
    bool too_large_ = false;
};

}  // namespace reeve::http
