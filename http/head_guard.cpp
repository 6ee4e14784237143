#include "http/head_guard.hpp"

#include "http/text.hpp"

namespace reeve::http {

// The longest registered method (UPDATEREDIRECTREF) has 17 letters.
static constexpr std::uint8_t k_method_bytes_max = 24;
static constexpr std::uint8_t k_blank_lines_max = 2;

void HeadGuard::reset(Start start, const HeadLimits& limits) {
    *this = HeadGuard();
    limits_ = limits;
    state_ = start == Start::request    ? State::blank
             : start == Start::response ? State::status_line
                                        : State::line_start;
}

bool HeadGuard::fail(int status, const char* reason) {
    status_ = status;
    reason_ = reason;
    return false;
}

// "HTTP/1.1" and CR, one byte at a time.
bool HeadGuard::version_byte(char c) {
    constexpr std::string_view prefix = "HTTP/";
    const std::size_t at = version_bytes_++;
    if (at < prefix.size()) return c == prefix[at] || fail(400, "The request line is malformed.");
    if (at == 5) {
        version_major_ = c;
        return (c >= '0' && c <= '9') || fail(400, "The request line is malformed.");
    }
    if (at == 6) return c == '.' || fail(400, "The request line is malformed.");
    if (at == 7) {
        if (c < '0' || c > '9') return fail(400, "The request line is malformed.");
        if (version_major_ != '1' || c > '1') return fail(505, "Only HTTP/1.0 and HTTP/1.1 are supported.");
        return true;
    }
    if (c != '\r') return fail(400, "The request line is malformed.");
    state_ = State::line_lf;
    return true;
}

bool HeadGuard::step(char c) {
    switch (state_) {
        case State::blank:
            if (c == '\r') {
                if (++blank_lines_ > k_blank_lines_max) return fail(400, "Too many empty lines before the request.");
                state_ = State::blank_lf;
                return true;
            }
            if (!is_token_char(c)) return fail(400, "The request line is malformed.");
            method_bytes_ = 1;
            state_ = State::method;
            return true;
        case State::blank_lf:
            state_ = State::blank;
            return c == '\n' || fail(400, "A carriage return without a line feed.");
        case State::method:
            if (c == ' ' && method_bytes_ > 0) {
                state_ = State::target;
                return true;
            }
            if (!is_token_char(c)) return fail(400, "The request line is malformed.");
            return ++method_bytes_ <= k_method_bytes_max || fail(501, "The method is not known.");
        case State::target:
            if (c != ' ' || target_bytes_ == 0) return fail(400, "The request target is malformed.");
            state_ = State::version;
            return true;
        case State::version: return version_byte(c);
        case State::status_line:
            if (c != '\r') return fail(400, "The status line is malformed.");
            state_ = State::line_lf;
            return true;
        case State::line_lf:
            state_ = State::line_start;
            return c == '\n' || fail(400, "A carriage return without a line feed.");
        case State::line_start:
            if (c == '\r') {
                state_ = State::end_lf;
                return true;
            }
            if (c == ' ' || c == '\t') return fail(400, "Folded header lines are not supported.");
            if (!is_token_char(c)) return fail(400, "A header name is malformed.");
            if (++fields_ > limits_.header_fields) return fail(431, "Too many header fields.");
            state_ = State::name;
            return true;
        case State::name:
            if (c != ':') return fail(400, "A header name is malformed.");
            state_ = State::value;
            return true;
        case State::value:
            if (c != '\r') return fail(400, "A header value has a forbidden character.");
            state_ = State::line_lf;
            return true;
        case State::end_lf:
            state_ = State::done;
            return c == '\n' || fail(400, "A carriage return without a line feed.");
        case State::done: break;
    }
    return false;
}

std::size_t HeadGuard::scan(std::string_view bytes) {
    std::size_t at = 0;
    while (at < bytes.size() && state_ != State::done && status_ == 0) {
        // Runs of ordinary bytes, then one byte that may change the state.
        const std::size_t begin = at;
        switch (state_) {
            case State::target:
                while (at < bytes.size() && has_class(bytes[at], k_target)) ++at;
                target_bytes_ += at - begin;
                if (target_bytes_ > limits_.target_bytes) fail(414, "The request target is too long.");
                break;
            case State::name:
                while (at < bytes.size() && is_token_char(bytes[at])) ++at;
                break;
            case State::value:
            case State::status_line:
                while (at < bytes.size() && is_value_char(bytes[at])) ++at;
                break;
            default: break;
        }
        if (status_ == 0 && at < bytes.size() && step(bytes[at])) ++at;
        bytes_ += at - begin;
        if (status_ == 0 && bytes_ > limits_.head_bytes) fail(431, "The message head is too large.");
    }
    return at;
}

}  // namespace reeve::http
