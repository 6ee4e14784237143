#include "http/response.hpp"

#include "http/connection.hpp"
#include "http/message.hpp"

namespace reeve::http {

void Response::text(int status, std::string_view body) {
    connection_->answer(status, "text/plain; charset=utf-8", nullptr, body);
}

void Response::json(int status, std::string_view body) {
    connection_->answer(status, "application/json", nullptr, body);
}

void Response::send(int status, const Headers& headers, std::string_view body) {
    connection_->answer(status, {}, &headers, body);
}

void Response::error(int status, std::string_view message, std::string_view type, std::string_view param,
                     std::string_view code) {
    json(status, error_json(status, message, type, param, code));
}

Result<void> Response::flush() { return connection_->flush(); }

BodyWriter Response::begin(int status, const Headers& headers) {
    (void)connection_->begin_stream(status, {}, &headers);  // the first write tells
    return BodyWriter(*connection_);
}

EventStream Response::events(const Headers& headers) {
    headers_.set("Cache-Control", "no-cache, no-transform");
    headers_.set("X-Accel-Buffering", "no");
    (void)connection_->begin_stream(200, "text/event-stream; charset=utf-8", &headers);
    return EventStream(*connection_);
}

// A chunk under construction: room for its size line, then the payload.
static std::string new_frame(std::size_t payload_bytes) {
    std::string frame;
    frame.reserve(Connection::k_frame_room + payload_bytes + 8);  // and for what ends it
    frame.append(Connection::k_frame_room, ' ');
    return frame;
}

Result<void> BodyWriter::write(std::string_view text) {
    std::string frame = new_frame(text.size());
    frame.append(text);
    return connection_->send_frame(frame, false);
}

Result<void> BodyWriter::finish(std::string_view last) {
    std::string frame = new_frame(last.size());
    frame.append(last);
    return connection_->send_frame(frame, true);
}

void BodyWriter::abort() { connection_->abort_stream(); }

// Each line of the text, as the standard counts lines, behind the prefix.
static void append_lines(std::string& frame, std::string_view prefix, std::string_view text) {
    for (;;) {
        const std::size_t end = text.find_first_of("\r\n");
        frame.append(prefix).append(text.substr(0, end)).push_back('\n');
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + (text.substr(end).starts_with("\r\n") ? 2 : 1));
    }
}

static std::string event_frame(std::string_view data) {
    std::string frame = new_frame(data.size() + 16);
    append_lines(frame, "data: ", data);
    frame.push_back('\n');
    return frame;
}

Result<void> EventStream::send(std::string_view data) {
    std::string frame = event_frame(data);
    return connection_->send_frame(frame, false);
}

Result<void> EventStream::send_named(std::string_view event, std::string_view data) {
    std::string frame = new_frame(event.size() + data.size() + 32);
    frame.append("event: ").append(event.substr(0, event.find_first_of("\r\n"))).push_back('\n');
    append_lines(frame, "data: ", data);
    frame.push_back('\n');
    return connection_->send_frame(frame, false);
}

Result<void> EventStream::send_comment(std::string_view text) {
    std::string frame = new_frame(text.size() + 16);
    append_lines(frame, ": ", text);
    frame.push_back('\n');
    return connection_->send_frame(frame, false);
}

Result<void> EventStream::send_raw(std::string_view frames) {
    std::string frame = new_frame(frames.size());
    frame.append(frames);
    return connection_->send_frame(frame, false);
}

Result<void> EventStream::finish(std::string_view last_data) {
    std::string frame = last_data.empty() ? new_frame(0) : event_frame(last_data);
    return connection_->send_frame(frame, true);
}

void EventStream::abort() { connection_->abort_stream(); }

}  // namespace reeve::http
