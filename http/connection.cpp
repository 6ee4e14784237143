#include "http/connection.hpp"

#include <algorithm>
#include <exception>

#include "http/server_state.hpp"
#include "net/tls.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/fd.hpp"

namespace reeve::http {

// Lingering: how much, and how long, is read from a peer that was refused, so that the answer is not lost to a reset.
static constexpr std::size_t k_linger_bytes_max = 1024 * 1024;
static constexpr Duration k_linger_time = std::chrono::milliseconds(500);

Connection::Connection(std::shared_ptr<ServerState> server, net::TcpStream stream, const net::TlsConfig* tls)
    : server_(std::move(server)), is_tls_(tls != nullptr) {
    auto tcp = std::make_unique<net::TcpStream>(std::move(stream));
    tcp_ = tcp.get();
    if (tls)
        stream_ = std::make_unique<net::TlsStream>(std::move(tcp), *tls);
    else
        stream_ = std::move(tcp);
    request_.connection_ = this;
    response_.connection_ = this;
}

std::string Connection::remote_address() const { return tcp_->remote_address().text(); }

bool Connection::is_cancelled() const { return this_fiber::is_cancelled(); }

bool Connection::close_if_idle() {
    Phase expected = Phase::idle;
    if (!phase_.compare_exchange_strong(expected, Phase::closing)) return false;
    stream_->close();
    return true;
}

void Connection::serve() {
    if (is_tls_) {
        auto& tls = static_cast<net::TlsStream&>(*stream_);
        if (!tls.handshake_server(server_->limits.tls_handshake_timeout)) return stream_->close();
    }
    while (serve_one()) {
    }
    if (is_tls_ && !write_failed_) (void)stream_->shutdown_write(server_->limits.write_timeout);
    stream_->close();
}

// Returns whether another request may follow.
bool Connection::serve_one() {
    if (!read_head()) return false;
    const MessageHead& head = request_.head_;
    request_.piece_ = {};
    request_.body_limit_ = server_->limits.body_bytes;
    request_.body_bytes_ = 0;
    request_.body_started_ = request_.body_whole_ = false;
    if (!request_.body_.empty()) request_.body_ = std::string();
    response_.headers_.clear();
    response_.status_ = 0;
    response_.started_ = false;
    keep_alive_ = head.keep_alive && !server_->stopping.load(std::memory_order_relaxed);
    body_ended_ = !head.has_body;
    body_error_status_ = 0;
    head_sent_ = streaming_ = false;
    input_.release_if_empty();

    const Router::Match match = server_->router.find(request_);
    if (match.handler)
        run(*match.handler);
    else
        answer_without_handler(match.allow);

    if (!flush()) return false;
    if (output_.capacity() > InputBuffer::k_head_block_bytes) output_ = std::string();
    if (keep_alive_ && skip_body()) return true;
    linger();
    return false;
}

// Reads until the head is complete; false: the connection is over (whatever had to be said has been said).
bool Connection::read_head() {
    const Limits& limits = server_->limits;
    parser_.reset(Parser::Mode::request, request_.head_,
                  {limits.target_bytes, limits.head_bytes, limits.header_fields});
    head_deadline_ = {};
    for (;;) {
        if (!input_.empty()) {
            std::size_t consumed = 0;
            const Parser::Event event = parser_.parse(input_.bytes(), consumed);
            input_.consume(consumed);
            if (event == Parser::Event::head) return true;
            if (event == Parser::Event::error) {
                refuse(parser_.error_status(), parser_.error_reason());
                return false;
            }
        }
        if (!wait_for_bytes(parser_.is_untouched())) return false;
    }
}

bool Connection::wait_for_bytes(bool is_idle) {
    const Limits& limits = server_->limits;
    Result<void> filled;
    if (is_idle) {
        phase_.store(Phase::idle);
        if (server_->stopping.load()) return false;
        filled = input_.fill(*stream_, InputBuffer::k_head_block_bytes, limits.idle_timeout);
        Phase expected = Phase::idle;
        if (!phase_.compare_exchange_strong(expected, Phase::active)) return false;
    } else {
        // Most heads come in one piece, so the clock is read only for the others.
        if (head_deadline_.is_never()) head_deadline_ = Deadline(limits.head_timeout);
        filled = input_.fill(*stream_, InputBuffer::k_head_block_bytes, head_deadline_);
        if (!filled && filled.error() == Errc::timed_out) refuse(408, "The request took too long to arrive.");
    }
    return filled.has_value();
}

// An answer to what is no acceptable request; nothing after it can be trusted.
void Connection::refuse(int status, std::string_view message) {
    keep_alive_ = false;
    head_sent_ = false;
    request_.head_.method = {};
    request_.head_.version_minor = 1;
    body_ended_ = true;
    response_.headers_.clear();
    answer(status, "application/json", nullptr, error_json(status, message));
    if (flush()) linger();
}

void Connection::answer_without_handler(const std::string& allow) {
    const bool is_options = request_.method() == "OPTIONS";
    if (is_options && request_.target() == "*") {
        response_.headers_.set("Allow", server_->router.allow_all());
        answer(204, {}, nullptr, {});
    } else if (allow.empty()) {
        response_.error(404, "There is nothing at this path.", {}, {}, "not_found");
    } else if (is_options) {
        response_.headers_.set("Allow", allow);
        answer(204, {}, nullptr, {});
    } else {
        response_.headers_.set("Allow", allow);
        response_.error(405, "This path does not support this method.", {}, {}, "method_not_allowed");
    }
}

void Connection::run(const Handler& handler) {
    bool threw = false;
    {
        HangupWatch watch(*tcp_->socket());
        call(handler, threw);
        client_left_ = watch.hung_up();
    }
    finish_answer(threw);
}

void Connection::call(const Handler& handler, bool& threw) {
    try {
        handler(request_, response_);
    } catch (const std::exception& error) {
        threw = true;
        warn("http: %s %.300s: the handler threw: %.300s", std::string(request_.method()).c_str(),
             request_.head_.target.c_str(), error.what());
    } catch (...) {
        threw = true;
        warn("http: %s %.300s: the handler threw something that is no std::exception",
             std::string(request_.method()).c_str(), request_.head_.target.c_str());
    }
}

// Whatever the handler did, the answer is complete after this, or the connection will be closed.
void Connection::finish_answer(bool threw) {
    if (threw && head_sent_) {
        keep_alive_ = false;
        if (streaming_) abort_stream();
        return;
    }
    if (threw) {
        output_.clear();
        response_.headers_.clear();
        response_.error(500, "The handler failed.");
        return;
    }
    if (streaming_) {
        std::string end(k_frame_room, ' ');
        (void)send_frame(end, true);
        return;
    }
    if (response_.started_) return;
    response_.headers_.clear();
    switch (body_error_status_) {
        case 0: break;
        case 408: return response_.error(408, "The request body took too long to arrive.");
        case 413: return response_.error(413, "The request body is too large.");
        default: return response_.error(body_error_status_, "The request body is malformed.");
    }
    if (client_left_) {
        keep_alive_ = false;
        return;
    }
    if (is_cancelled()) {
        keep_alive_ = false;
        return response_.error(503, "The server is shutting down.");
    }
    response_.error(500, "The handler gave no answer.");
}

Result<std::string_view> Connection::read_piece(Deadline deadline) {
    const Limits& limits = server_->limits;
    const auto fail = [&](Error error, int status) {
        body_error_status_ = status;
        keep_alive_ = false;
        return error;
    };
    if (body_error_status_ != 0) return Error(Errc::closed, "http body");
    if (body_ended_) return Error(Errc::eof, "http body");
    if (!request_.body_started_) {
        request_.body_started_ = true;
        request_.body_deadline_ = Deadline(limits.body_timeout);
        const MessageHead& head = request_.head_;
        if (head.has_length && head.content_length > request_.body_limit_)
            return fail(Error(Errc::too_large, "http body"), 413);
        if (head.expects_continue && input_.empty() && !head_sent_)
            if (const auto sent = write("HTTP/1.1 100 Continue\r\n\r\n"); !sent) return sent.error();
    }
    for (;;) {
        std::size_t consumed = 0;
        const Parser::Event event = parser_.parse(input_.bytes(), consumed);
        input_.consume(consumed);
        switch (event) {
            case Parser::Event::body:
                request_.body_bytes_ += parser_.body().size();
                if (request_.body_bytes_ > request_.body_limit_) return fail(Error(Errc::too_large, "http body"), 413);
                return parser_.body();
            case Parser::Event::end:
                body_ended_ = true;
                return Error(Errc::eof, "http body");
            case Parser::Event::error:
                return fail(Error(Errc::malformed, "http body"), parser_.error_status());
            default: break;
        }
        const auto filled = input_.fill(*stream_, InputBuffer::k_body_block_bytes,
                                        deadline.or_sooner(request_.body_deadline_));
        if (filled) continue;
        const Error error = filled.error();
        if (error == Errc::timed_out) return fail(error, 408);
        if (error == Errc::eof) return fail(Error(Errc::reset, "http body"), 400);
        keep_alive_ = false;
        return error;
    }
}

// What the handler left unread stands before the next request; a little of it is worth a connection.
bool Connection::skip_body() {
    if (body_ended_) return true;
    const Limits& limits = server_->limits;
    request_.body_limit_ = request_.body_bytes_ + limits.discard_bytes;
    request_.body_started_ = true;  // "100 Continue" would ask for what nobody wants
    request_.body_deadline_ = Deadline(limits.head_timeout);
    while (read_piece({})) {
    }
    input_.release_if_empty();
    return body_ended_;
}

// Before the head is written: whether the connection will be usable after this answer.
void Connection::decide_keep_alive() {
    if (server_->stopping.load(std::memory_order_relaxed)) keep_alive_ = false;
    if (body_ended_) return;
    const MessageHead& head = request_.head_;
    if (head.expects_continue && !request_.body_started_) keep_alive_ = false;  // it may come, or not
    if (head.has_length && head.content_length - request_.body_bytes_ > server_->limits.discard_bytes)
        keep_alive_ = false;
}

// A close with unread bytes is a reset, which may overtake the answer on its way: let the peer close first.
void Connection::linger() {
    if (write_failed_ || is_tls_ || is_cancelled()) return;
    if (body_ended_ && input_.empty() && parser_.error_status() == 0) return;
    if (!stream_->shutdown_write(k_linger_time)) return;
    const Deadline deadline(k_linger_time);
    for (std::size_t skipped = 0; skipped < k_linger_bytes_max;) {
        input_.consume(input_.bytes().size());
        if (!input_.fill(*stream_, InputBuffer::k_body_block_bytes, deadline)) return;
        skipped += input_.bytes().size();
    }
}

}  // namespace reeve::http
