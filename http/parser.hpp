// Parser: bytes of one HTTP/1.1 message to events, pulled one at a time. Wraps llhttp; internal.
//
// Idea. The caller owns the bytes and the socket: parse() takes what is there, consumes some of it and returns one
// event, so reading a body lazily, piece by piece, is calling parse() less often. Body pieces are views into the
// caller's bytes. Before llhttp sees a head, HeadGuard has accepted it; after it, check_request() applies the rules
// between fields (request_rules.hpp). One parser reads one message after another;
// reset() begins the next.
//
//     head -> body* -> end      or error at any point, for good
//
// A value that must not move; never parks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/head.hpp"
#include "http/head_guard.hpp"

namespace reeve::http {

class Parser {
public:
    enum class Mode : std::uint8_t { request, response };
    enum class Event : std::uint8_t { need_more, head, body, end, error };

    Parser() = default;
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;

    // `head` is filled, and must live until the next reset. `no_body`: the answer to a HEAD request.
    void reset(Mode mode, MessageHead& head, const HeadLimits& limits, bool no_body = false);

    // Consumes a prefix of `input`; `consumed` says how much. need_more: all of it, and nothing to tell yet.
    Event parse(std::string_view input, std::size_t& consumed);
    // The peer sent its last byte: end (a body that lasts until then) or error.
    Event finish();

    [[nodiscard]] std::string_view body() const { return body_; }  // of Event::body
    // Not a byte of the message has arrived.
    [[nodiscard]] bool is_untouched() const { return phase_ == Phase::head && guard_.is_untouched(); }
    // The status to answer with, and a sentence, after Event::error.
    [[nodiscard]] int error_status() const { return error_status_; }
    [[nodiscard]] std::string_view error_reason() const { return error_reason_; }

private:
    friend struct ParserCallbacks;

    enum class Phase : std::uint8_t { head, body, trailers, ended, broken };

    Event parse_head(std::string_view input, std::size_t& consumed);
    Event parse_body(std::string_view input, std::size_t& consumed);
    // Runs llhttp and returns its code; `consumed` counts up to where it stopped.
    int execute(std::string_view input, std::size_t& consumed);
    Event head_is_complete();
    Event fail(int status, std::string_view reason);
    void end_field();

    // llhttp's state; its size is checked where the type is known.
    static constexpr std::size_t k_state_bytes = 128;
    alignas(8) std::byte state_[k_state_bytes];

    MessageHead* head_ = nullptr;
    HeadGuard guard_;
    HeadLimits limits_{};
    std::string_view body_;
    std::string_view error_reason_;
    std::size_t line_bytes_ = 0;  // of the chunk's size line, read so far
    int error_status_ = 0;
    Mode mode_ = Mode::request;
    Phase phase_ = Phase::head;
    bool no_body_ = false;
    bool name_open_ = false;   // the last field's name may grow
    bool value_open_ = false;  // the last field's value may grow
    bool head_complete_ = false;
    bool body_seen_ = false;
    bool chunk_seen_ = false;
    bool message_complete_ = false;
};

}  // namespace reeve::http
