// Response: how a handler answers; BodyWriter and EventStream: answers that go out piece by piece.
//
// A handler answers once: text(), json(), send(), error(), or begin()/events() and then writes. A complete answer is
// written when the handler returns (flush() does it at once), head and body in one write. A handler that returns
// without an answer gives 500; one that throws gives 500, or, when the head has gone already, a connection closed
// without its end, so that the client can tell. A complete answer replaces an earlier one that was not sent yet; another answer after the
// head has gone is a broken program.
//
// Used by the handler's own fiber only. Writers park when the client reads slowly; errors: cancelled (the client left
// or the server stops), timed_out (Limits::write_timeout), reset, closed. Each write is on the wire when it returns.
// After an error all further writes fail the same way.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "http/headers.hpp"
#include "runtime/base/result.hpp"

namespace reeve::http {

class Connection;

// A handle; the server ends the body when the handler has returned, so nothing happens in its destructor.
class BodyWriter {
public:
    // One chunk, one write. Empty text writes nothing.
    Result<void> write(std::string_view text);
    // The last piece and the end of the body in one write; nothing may be written afterwards.
    Result<void> finish(std::string_view last = {});
    // The body stays visibly incomplete and the connection is closed: for failures after the first byte.
    void abort();

private:
    friend class Response;
    explicit BodyWriter(Connection& connection) : connection_(&connection) {}
    Connection* connection_;
};

// Server-sent events. Flushed per event; a text of several lines becomes several "data:" lines.
class EventStream {
public:
    Result<void> send(std::string_view data);                           // data: ...
    Result<void> send_named(std::string_view event, std::string_view data);  // event: ... data: ...
    Result<void> send_comment(std::string_view text);                   // ": ...", the only harmless keep-alive
    // Frames that are formatted already ("data: x\n\n"), passed on as they are.
    Result<void> send_raw(std::string_view frames);
    // The last event, if any, and the end of the body in one write: finish("[DONE]").
    Result<void> finish(std::string_view last_data = {});
    void abort();

private:
    friend class Response;
    explicit EventStream(Connection& connection) : connection_(&connection) {}
    Connection* connection_;
};

class Response {
public:
    // Sent with whatever answer follows; those given to send() and begin() come after them.
    [[nodiscard]] Headers& headers() { return headers_; }
    bool set_header(std::string_view name, std::string_view value) { return headers_.set(name, value); }

    void text(int status, std::string_view body);  // text/plain; charset=utf-8
    void json(int status, std::string_view body);  // application/json
    void send(int status, const Headers& headers, std::string_view body);
    // The JSON of error_json() (message.hpp).
    void error(int status, std::string_view message, std::string_view type = {}, std::string_view param = {},
               std::string_view code = {});
    // Writes a complete answer now instead of when the handler returns.
    Result<void> flush();

    // Sends the head. Chunked, unless a Content-Length is among the headers.
    [[nodiscard]] BodyWriter begin(int status, const Headers& headers = {});
    // Sends the head of an event stream (200, text/event-stream, no-cache).
    [[nodiscard]] EventStream events(const Headers& headers = {});

    [[nodiscard]] bool started() const { return started_; }  // an answer was given, or begun
    [[nodiscard]] int status() const { return status_; }     // 0 before

private:
    friend class Connection;

    Connection* connection_ = nullptr;
    Headers headers_;
    int status_ = 0;
    bool started_ = false;
};

}  // namespace reeve::http
