#include "apps/gateway/answer.hpp"

#include <chrono>
#include <optional>
#include <utility>

namespace reeve::gateway {

using namespace std::chrono_literals;

// Common proxies give up after 30 s or 60 s without a byte.
static constexpr Duration k_comment_interval = 15s;
// Frames that are ready at the same time are joined up to this size: one write, one record of TLS.
static constexpr std::size_t k_write_bytes = 16 * 1024;

AnswerPart refusal(const Problem& problem) {
    AnswerPart part;
    part.kind = AnswerPart::Kind::whole;
    part.status = problem.status;
    part.text = http::error_json(problem.status, problem.message, problem.type, problem.param, problem.code);
    return part;
}

static void take_headers(http::Response& response, const http::Headers& headers) {
    for (const auto& [name, value] : headers) response.headers().set(name, value);
}

static bool send_whole(http::Response& response, AnswerPart& part) {
    take_headers(response, part.headers);
    response.send(part.status, {{"Content-Type", part.content_type}}, part.text);
    return response.flush().has_value();
}

// Appends to `text` what has arrived meanwhile. Returns the part that must not be joined, if one came.
static std::optional<AnswerPart> join_ready(const AnswerChannel& parts, std::string& text) {
    while (text.size() < k_write_bytes) {
        auto next = parts.try_recv();
        if (!next || next->kind != AnswerPart::Kind::frames) return next;
        text.append(next->text);
    }
    return std::nullopt;
}

static Delivery send_stream(const AnswerChannel& parts, http::Response& response, AnswerPart part) {
    take_headers(response, part.headers);
    http::EventStream events = response.events();
    for (;;) {
        std::optional<AnswerPart> next;
        if (part.kind == AnswerPart::Kind::frames) next = join_ready(parts, part.text);
        Result<void> written;
        if (!part.text.empty()) written = events.send_raw(part.text);
        if (!written) return Delivery::left;
        switch (part.kind) {
            case AnswerPart::Kind::frames:
            case AnswerPart::Kind::alone: break;
            case AnswerPart::Kind::done:
                return events.finish("[DONE]") ? Delivery::complete : Delivery::left;
            case AnswerPart::Kind::end: return events.finish() ? Delivery::complete : Delivery::left;
            case AnswerPart::Kind::cut: events.abort(); return Delivery::complete;
            case AnswerPart::Kind::whole: fatal("a whole answer inside a stream");
        }
        if (next) {
            part = std::move(*next);
            continue;
        }
        auto received = parts.recv(k_comment_interval);
        while (!received && received.error() == Errc::timed_out) {
            if (!events.send_comment("waiting")) return Delivery::left;
            received = parts.recv(k_comment_interval);
        }
        if (received) {
            part = std::move(received).value();
        } else {
            // The producer ended without a last part: it was cancelled, as this fiber was, or has thrown.
            events.abort();
            return Delivery::left;
        }
    }
}

Delivery deliver(const AnswerChannel& parts, http::Response& response, std::int64_t started_ns) {
    constexpr std::int64_t k_ns_per_ms = 1'000'000;

    auto first = parts.recv();
    if (!first) return Delivery::left;
    response.set_header("openai-processing-ms", std::to_string((now_ns() - started_ns) / k_ns_per_ms));
    AnswerPart part = std::move(first).value();
    if (part.kind == AnswerPart::Kind::whole) return send_whole(response, part) ? Delivery::complete : Delivery::left;
    return send_stream(parts, response, std::move(part));
}

}  // namespace reeve::gateway
