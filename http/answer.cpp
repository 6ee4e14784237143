// The writing half of Connection: heads, complete answers, and bodies that are streamed.
#include <algorithm>
#include <cstring>

#include "http/connection.hpp"
#include "http/date.hpp"
#include "http/server_state.hpp"
#include "http/text.hpp"
#include "runtime/base/assert.hpp"

namespace reeve::http {

// Larger bodies are written from where they are, after the head, instead of being copied behind it.
static constexpr std::size_t k_copied_body_bytes_max = 16 * 1024;
// One deadline covers one piece of this size, so that a long body over a slow line is not cut.
static constexpr std::size_t k_write_piece_bytes = 256 * 1024;

static bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

Result<void> Connection::write(std::string_view bytes) {
    while (!write_failed_ && !bytes.empty()) {
        const std::string_view piece = bytes.substr(0, k_write_piece_bytes);
        const Transfer moved = stream_->write_all(piece, server_->limits.write_timeout);
        if (!moved) {
            write_failed_ = true;
            keep_alive_ = false;
            write_error_ = moved.error();
        }
        bytes.remove_prefix(piece.size());
    }
    if (write_failed_) return write_error_;
    return {};
}

// The caller's fields, but not those that say how the message is framed: these are ours.
void Connection::append_fields(const Headers& headers, bool& has_type, bool& has_date) {
    for (const Headers::Field field : headers) {
        if (equal_ignoring_case(field.name, "content-length") || equal_ignoring_case(field.name, "transfer-encoding"))
            continue;
        if (equal_ignoring_case(field.name, "connection")) {
            if (equal_ignoring_case(field.value, "close")) keep_alive_ = false;
            continue;
        }
        has_type = has_type || equal_ignoring_case(field.name, "content-type");
        has_date = has_date || equal_ignoring_case(field.name, "date");
        output_.append(field.name).append(": ").append(field.value).append("\r\n");
    }
}

void Connection::append_head(int status, std::string_view content_type, const Headers* headers,
                             std::size_t body_bytes) {
    REEVE_CHECK(status >= 200 && status <= 999);
    decide_keep_alive();
    if (status == 200) {
        output_.append("HTTP/1.1 200 OK\r\n");
    } else {
        output_.append("HTTP/1.1 ");
        append_number(output_, status);
        output_.append(" ").append(reason_of(status)).append("\r\n");
    }
    bool has_type = false;
    bool has_date = false;
    if (!response_.headers_.empty()) append_fields(response_.headers_, has_type, has_date);
    if (headers) append_fields(*headers, has_type, has_date);
    if (!has_date) {
        output_.append("Date: ");
        append_date(output_);
        output_.append("\r\n");
    }
    if (!has_type && !content_type.empty()) output_.append("Content-Type: ").append(content_type).append("\r\n");
    switch (stream_body_) {
        case Body::none:
        case Body::length:
            if (has_no_body(status)) break;
            output_.append("Content-Length: ");
            append_number(output_, body_bytes);
            output_.append("\r\n");
            break;
        case Body::chunked: output_.append("Transfer-Encoding: chunked\r\n"); break;
        case Body::until_close: keep_alive_ = false; break;
    }
    if (!keep_alive_)
        output_.append("Connection: close\r\n");
    else if (request_.head_.version_minor == 0)
        output_.append("Connection: keep-alive\r\n");
    output_.append("\r\n");
}

void Connection::answer(int status, std::string_view content_type, const Headers* headers, std::string_view body) {
    if (response_.started_ && (head_sent_ || streaming_)) fatal("http: a handler answered one request twice");
    response_.started_ = true;
    response_.status_ = status;
    output_.clear();
    stream_body_ = Body::none;
    append_head(status, content_type, headers, body.size());
    if (request_.method() == "HEAD" || has_no_body(status)) return;
    if (body.size() <= k_copied_body_bytes_max) {
        output_.append(body);
        return;
    }
    if (flush()) (void)write(body);
}

Result<void> Connection::flush() {
    if (output_.empty()) {
        if (write_failed_) return write_error_;
        return {};
    }
    head_sent_ = true;
    const Result<void> written = write(output_);
    output_.clear();
    return written;
}

Result<void> Connection::begin_stream(int status, std::string_view content_type, const Headers* headers) {
    if (response_.started_) fatal("http: a handler answered one request twice");
    response_.started_ = true;
    response_.status_ = status;
    stream_bytes_left_ = 0;
    std::string_view length = headers ? headers->value_or("content-length") : std::string_view();
    if (length.empty()) length = response_.headers_.value_or("content-length");
    if (!length.empty() && parse_number(length, stream_bytes_left_))
        stream_body_ = Body::length;
    else
        stream_body_ = request_.head_.version_minor == 0 ? Body::until_close : Body::chunked;
    if (has_no_body(status)) stream_body_ = Body::none;
    append_head(status, content_type, headers, static_cast<std::size_t>(stream_bytes_left_));
    // A body that may not be sent is swallowed: the handler of GET need not know that it was asked by HEAD.
    if (request_.method() == "HEAD") stream_body_ = Body::none;
    streaming_ = true;
    const Result<void> sent = flush();
    output_ = std::string();
    return sent;
}

Result<void> Connection::send_frame(std::string& frame, bool is_last) {
    if (!streaming_) return Error(Errc::closed, "http body");
    const std::size_t payload = frame.size() - k_frame_room;
    std::size_t start = k_frame_room;
    switch (stream_body_) {
        case Body::none: frame.resize(k_frame_room); break;
        case Body::until_close: break;
        case Body::length:
            if (payload > stream_bytes_left_) fatal("http: a body is longer than its Content-Length");
            stream_bytes_left_ -= payload;
            break;
        case Body::chunked:
            if (payload > 0) {
                frame[--start] = '\n';
                frame[--start] = '\r';
                for (std::size_t rest = payload; rest > 0; rest /= 16) frame[--start] = "0123456789abcdef"[rest % 16];
                frame.append("\r\n");
            }
            if (is_last) frame.append("0\r\n\r\n");
            break;
    }
    if (is_last) {
        streaming_ = false;
        // A body shorter than promised is an unfinished one: the client learns it from the close.
        if (stream_body_ == Body::length && stream_bytes_left_ > 0) keep_alive_ = false;
    }
    return write(std::string_view(frame).substr(start));
}

void Connection::abort_stream() {
    streaming_ = false;
    keep_alive_ = false;
    if (!write_failed_) write_error_ = Error(Errc::closed, "http body");
    write_failed_ = true;
}

}  // namespace reeve::http
