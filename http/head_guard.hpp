// HeadGuard: the grammar of a message head, checked byte by byte before the parser sees it. Internal.
//
// Idea. Request smuggling lives where two parsers read the same bytes differently: folded lines, a space before the
// colon, bare LF, several spaces in the request line. Generated parsers let some of these pass, each version others. So
// one small state machine accepts only what RFC 9112 writes, counts against the limits, and says where the head ends;
// whatever it accepts, every parser reads alike. About one nanosecond per byte.
//
// A value; never parks. States:
//
//     blank -> method -> target -> version -> line_lf --+-> line_start -> name -> value -> line_lf -> line_start ...
//     status_line ----------------------------^         |      |
//                                                       |      +-> end_lf -> done
//
// blank: empty lines before a request (two at most); status_line: a response's first line, read by the parser alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reeve::http {

struct HeadLimits {
    std::size_t target_bytes;
    std::size_t head_bytes;
    std::size_t header_fields;
};

class HeadGuard {
public:
    enum class Start : std::uint8_t { request, response, trailers };

    void reset(Start start, const HeadLimits& limits);

    // Reads on; returns how many bytes belong to the head and are acceptable. Less than all: the head is complete
    // (is_done) or broken (failed). Bytes after the head are not looked at.
    std::size_t scan(std::string_view bytes);

    [[nodiscard]] bool is_done() const { return state_ == State::done; }
    [[nodiscard]] bool failed() const { return status_ != 0; }
    [[nodiscard]] int status() const { return status_; }         // of the answer: 400, 414, 431, 505
    [[nodiscard]] const char* reason() const { return reason_; }
    // Nothing of a message has come: only then may the peer close without being rude.
    [[nodiscard]] bool is_untouched() const { return bytes_ == 0; }

private:
    enum class State : std::uint8_t {
        blank, blank_lf, method, target, version, status_line, line_lf, line_start, name, value, end_lf, done,
    };

    bool fail(int status, const char* reason);
    bool version_byte(char c);
    bool step(char c);  // one byte that ends a run

    std::size_t bytes_ = 0;
    std::size_t target_bytes_ = 0;
    std::size_t fields_ = 0;
    HeadLimits limits_{};
    const char* reason_ = "";
    int status_ = 0;
    State state_ = State::blank;
    std::uint8_t method_bytes_ = 0;
    std::uint8_t version_bytes_ = 0;
    std::uint8_t blank_lines_ = 0;
    char version_major_ = 0;
};

}  // namespace reeve::http
