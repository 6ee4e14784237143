// Request: one request as its handler sees it.
//
// The head has been read and checked before the handler runs; the body has not: it is read when the handler asks, so
// a handler that refuses a request never waits for 16 MB. "Expect: 100-continue" is answered at that moment. What a
// handler leaves unread is skipped or the connection closed, as Limits say.
//
// Used by the handler's own fiber only. body() and read() may park; errors: eof (read: the body's end), too_large
// (over the limit; answer 413), timed_out (408), malformed (400), cancelled (the client left, or the server stops),
// reset. If the handler returns without having answered, the server answers for these errors.
// Views live until the handler returns.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.hpp"
#include "http/headers.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve::http {

class Connection;

class Request {
public:
    [[nodiscard]] std::string_view method() const { return head_.method; }
    [[nodiscard]] std::string_view target() const { return head_.target; }    // as sent: "/a%20b?x=1"
    [[nodiscard]] std::string_view path() const;                              // as sent, without the query: "/a%20b"
    [[nodiscard]] std::string_view query_string() const;                      // "x=1"
    [[nodiscard]] std::optional<std::string> query(std::string_view name) const;  // decoded; the first of that name
    [[nodiscard]] int version_minor() const { return head_.version_minor; }   // HTTP/1.x

    [[nodiscard]] const Headers& headers() const { return head_.headers; }
    [[nodiscard]] std::string_view header(std::string_view name) const { return head_.headers.value_or(name); }

    // What {name} of the pattern matched, decoded; empty if the pattern has no such name.
    [[nodiscard]] std::string_view path_value(std::string_view name) const;

    // The whole body, read on the first call. The default deadline is Limits::body_timeout.
    Result<std::string_view> body(Deadline deadline = {});
    // Takes the body away from the request, for handlers that keep it.
    Result<std::string> take_body(Deadline deadline = {});
    // The next piece of the body, for handlers that stream it; eof at its end. Not to be mixed with body().
    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {});
    [[nodiscard]] bool has_body() const { return head_.has_body; }
    // Of this request only: a handler of uploads may allow itself more, or less, than Limits do. Before reading.
    void set_body_limit(std::size_t bytes) { body_limit_ = bytes; }

    [[nodiscard]] std::string remote_address() const;  // "127.0.0.1:40312"; empty for in-memory streams
    [[nodiscard]] bool is_tls() const;
    // The client has left or the server has given up on this request; every wait returns Errc::cancelled then.
    [[nodiscard]] bool cancelled() const;

private:
    friend class Connection;
    friend class Router;
    friend struct RequestMaker;  // of tests: requests without a connection

    struct PathValue {
        std::string_view name;  // of the pattern, which outlives the request
        std::string value;
    };

    Connection* connection_ = nullptr;
    MessageHead head_;
    std::vector<PathValue> path_values_;
    std::string body_;              // what body() has read
    std::string_view piece_;        // what has arrived and read() has not given out yet; in the connection's buffer
    std::size_t body_limit_ = 0;
    std::size_t body_bytes_ = 0;    // received so far
    Deadline body_deadline_;
    bool body_started_ = false;     // somebody has asked for it
    bool body_whole_ = false;       // body_ is all of it
};

}  // namespace reeve::http
