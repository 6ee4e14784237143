#include "http/exchange.hpp"

#include <utility>

#include "http/text.hpp"

namespace reeve::http {

// Bodies up to this size travel in one write with the head.
static constexpr std::size_t k_copied_body_bytes_max = 16 * 1024;

Result<void> ClientResponse::Exchange::write(std::string_view bytes, Deadline deadline) {
    const Transfer moved = stream->write_all(bytes, deadline.or_sooner(pool->config.write_timeout));
    if (moved.bytes > 0) sent_any = true;
    return moved.result;
}

static bool is_ours(std::string_view name) {
    return equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding") ||
           equal_ignoring_case(name, "connection");
}

Result<void> ClientResponse::Exchange::send(const Url& url, const ClientRequest& request, Deadline deadline) {
    const Headers& headers = request.headers;
    closes = headers.has_token("connection", "close");
    std::string out;
    out.append(request.method).append(" ").append(url.target).append(" HTTP/1.1\r\n");
    if (!headers.contains("host")) out.append("Host: ").append(url.authority()).append("\r\n");
    if (!headers.contains("user-agent")) out.append("User-Agent: reeve\r\n");
    if (!headers.contains("accept-encoding")) out.append("Accept-Encoding: identity\r\n");
    for (const Headers::Field field : headers)
        if (!is_ours(field.name)) out.append(field.name).append(": ").append(field.value).append("\r\n");

    const bool has_source = static_cast<bool>(request.body_source);
    const bool is_chunked = has_source && !headers.contains("content-length");
    const bool expects_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (is_chunked) {
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (has_source) {
        out.append("Content-Length: ").append(headers.value_or("content-length")).append("\r\n");
    } else if (!request.body.empty() || expects_body) {
        out.append("Content-Length: ");
        append_number(out, request.body.size());
        out.append("\r\n");
    }
    if (closes) out.append("Connection: close\r\n");
    out.append("\r\n");

    const bool joined = !has_source && request.body.size() <= k_copied_body_bytes_max;
    if (joined) out.append(request.body);
    if (const auto written = write(out, deadline); !written) return written;
    if (has_source) return send_source(request, is_chunked, deadline);
    // In pieces, so that each has the write timeout for itself.
    for (std::string_view rest = joined ? std::string_view() : request.body; !rest.empty();) {
        const std::string_view piece = rest.substr(0, 256 * 1024);
        if (const auto written = write(piece, deadline); !written) return written;
        rest.remove_prefix(piece.size());
    }
    sent_all = true;
    return {};
}

Result<void> ClientResponse::Exchange::send_source(const ClientRequest& request, bool is_chunked, Deadline deadline) {
    for (;;) {
        Result<std::string> piece = request.body_source();
        const bool at_end = !piece && piece.error() == Errc::eof;
        if (!piece && !at_end) return piece.error();
        std::string out;
        if (is_chunked && !at_end && !piece->empty()) {
            append_number(out, piece->size(), 16);
            out.append("\r\n").append(*piece).append("\r\n");
        } else if (!is_chunked && !at_end) {
            out = std::move(*piece);
        } else if (is_chunked && at_end) {
            out = "0\r\n\r\n";
        }
        if (const auto written = write(out, deadline); !written) return written;
        if (at_end) break;
    }
    sent_all = true;
    return {};
}

Result<void> ClientResponse::Exchange::fill(Deadline deadline) {
    input.release_if_empty();
    const auto filled = input.fill(*stream, block_bytes_, deadline);
    if (!filled) return filled;
    // A read that fills its block says that more is waiting.
    const std::size_t got = input.bytes().size();
    if (got >= block_bytes_)
        block_bytes_ = InputBuffer::k_body_block_bytes;
    else if (got < InputBuffer::k_head_block_bytes)
        block_bytes_ = InputBuffer::k_head_block_bytes;
    return {};
}

Result<void> ClientResponse::Exchange::receive_head(bool no_body, Deadline deadline) {
    const ClientConfig& config = pool->config;
    const HeadLimits limits{0, config.head_bytes, config.header_fields};
    const Deadline until = deadline.or_sooner(config.head_timeout);
    parser.reset(Parser::Mode::response, head, limits, no_body);
    for (;;) {
        if (!input.empty()) {
            std::size_t consumed = 0;
            const Parser::Event event = parser.parse(input.bytes(), consumed);
            input.consume(consumed);
            if (event == Parser::Event::error)
                return Error(parser.error_status() == 431 ? Errc::too_large : Errc::malformed, "http response");
            if (event == Parser::Event::head) {
                // Nobody asked for another protocol.
                if (head.status == 101) return Error(Errc::malformed, "http response");
                if (head.status >= 200) break;
                informed = true;
                parser.reset(Parser::Mode::response, head, limits, no_body);
                continue;
            }
        }
        if (const auto filled = fill(until); !filled) {
            if (filled.error() == Errc::eof) return Error(Errc::reset, "http response");
            return filled;
        }
    }
    if (!head.has_body) end();
    return {};
}

// The connection is free for the next exchange, if everything about this one went as it should.
void ClientResponse::Exchange::end() {
    ended = true;
    if (stream && head.keep_alive && sent_all && !closes && input.empty())
        pool->put(origin, std::move(stream));
    stream.reset();
    input.release_if_empty();
}

Result<std::string_view> ClientResponse::Exchange::read_some(Deadline deadline) {
    if (ended) return Error(Errc::eof, "http response");
    if (!stream) return Error(Errc::closed, "http response");
    for (;;) {
        std::size_t consumed = 0;
        Parser::Event event = parser.parse(input.bytes(), consumed);
        input.consume(consumed);
        if (event == Parser::Event::need_more) {
            const auto filled = fill(deadline.or_sooner(pool->config.body_idle_timeout));
            if (filled) continue;
            if (!(filled.error() == Errc::eof)) {
                if (!(filled.error() == Errc::timed_out)) stream.reset();
                return filled.error();
            }
            event = parser.finish();
            if (event == Parser::Event::error) {
                stream.reset();
                return Error(Errc::reset, "http response");
            }
        }
        if (event == Parser::Event::body) return parser.body();
        if (event == Parser::Event::end) {
            end();
            return Error(Errc::eof, "http response");
        }
        stream.reset();
        return Error(Errc::malformed, "http response");
    }
}

Result<ServerEvent> ClientResponse::Exchange::next_event(Deadline deadline) {
    for (;;) {
        Result<std::optional<ServerEvent>> event = events.next();
        if (!event) {
            stream.reset();
            return event.error();
        }
        if (*event) return std::move(**event);
        const bool was_ended = ended;
        const Result<std::string_view> piece = read_some(deadline);
        if (piece) {
            events.feed(*piece);
        } else if (piece.error() == Errc::eof && !was_ended) {
            events.finish();
        } else {
            return piece.error();
        }
    }
}

}  // namespace reeve::http
