#include "apps/gateway/forward.hpp"

#include <array>
#include <chrono>
#include <utility>

#include "apps/gateway/chunks.hpp"
#include "apps/gateway/upstream_stream.hpp"
#include "http/json.hpp"
#include "net/tls.hpp"

namespace reeve::gateway {

using http::ClientResponse;
using http::equal_ignoring_case;
using http::Headers;
using namespace std::chrono_literals;

// The last chunk of the body usually comes with [DONE]; if it is late, a new connection is cheaper than the wait.
static constexpr Duration k_end_of_body = 5ms;

static bool starts_ignoring_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// What the caller says to the upstream, as against to this hop.
static bool is_for_upstream(std::string_view name) {
    static constexpr std::array k_names = std::to_array<std::string_view>({"idempotency-key", "user-agent"});
    static constexpr std::array k_prefixes = std::to_array<std::string_view>({"openai-", "x-stainless-", "x-reeve-"});
    for (const auto known : k_names)
        if (equal_ignoring_case(name, known)) return true;
    for (const auto prefix : k_prefixes)
        if (starts_ignoring_case(name, prefix)) return true;
    return false;
}

// What the upstream says to the caller.
static bool is_for_caller(std::string_view name) {
    static constexpr std::array k_names =
        std::to_array<std::string_view>({"retry-after", "retry-after-ms", "x-should-retry", "openai-version",
                                         "openai-model", "openai-organization", "www-authenticate"});
    for (const auto known : k_names)
        if (equal_ignoring_case(name, known)) return true;
    return starts_ignoring_case(name, "x-ratelimit-");
}

static Headers headers_for_caller(const Headers& upstream) {
    Headers headers;
    for (const auto& [name, value] : upstream)
        if (is_for_caller(name)) headers.add(name, value);
    return headers;
}

static AnswerPart unreachable(Error error) {
    if (error == Errc::timed_out)
        return refusal({504, "The upstream did not answer in time.", "", "", "upstream_timeout"});
    return refusal(
        {502, "The upstream could not be reached or failed: " + error.text() + ".", "", "", "upstream_error"});
}

static std::string_view without_leading_space(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

// An error the upstream reports: its own words if they have the usual shape, else wrapped into it.
static AnswerPart upstream_refusal(int status, std::string_view body) {
    constexpr std::size_t k_quoted_bytes = 300;

    if (const auto document = http::JsonDocument::parse(body); document && document->root()["error"].is_object()) {
        AnswerPart part = refusal({.status = status, .message = {}, .type = {}, .param = {}, .code = {}});
        part.text = body;
        return part;
    }
    return refusal({status,
                    "The upstream answered with status " + std::to_string(status) + ": " +
                        std::string(body.substr(0, k_quoted_bytes)),
                    "", "", "upstream_error"});
}

// The status that an error inside of a stream stands for.
static int status_of_error(std::string_view data) {
    constexpr std::int64_t k_bad_gateway = 502;
    const auto document = http::JsonDocument::parse(data);
    const std::int64_t code = document ? document->root()["error"]["code"].int_or(k_bad_gateway) : k_bad_gateway;
    return static_cast<int>(code >= 400 && code <= 599 ? code : k_bad_gateway);
}

static AnswerPart whole_answer(ClientResponse& response) {
    const auto body = response.body();
    if (!body) return unreachable(body.error());
    // Some upstreams send blank lines while they think.
    const std::string_view text = without_leading_space(*body);
    AnswerPart part;
    if (response.ok()) {
        part.text = text;
        part.status = response.status();
        if (const auto type = response.header("Content-Type"); !type.empty()) part.content_type = type;
    } else {
        part = upstream_refusal(response.status() >= 400 ? response.status() : 502, text);
    }
    part.kind = AnswerPart::Kind::whole;
    part.headers = headers_for_caller(response.headers());
    return part;
}

static bool send(const AnswerChannel& out, AnswerPart::Kind kind, std::string text) {
    AnswerPart part;
    part.kind = kind;
    part.text = std::move(text);
    return out.send(std::move(part)).has_value();
}

static void send_broken(const AnswerChannel& out, std::string_view why) {
    std::string frame;
    append_error_frame(frame, why, "upstream_error", "upstream_stream_error");
    (void)send(out, AnswerPart::Kind::end, std::move(frame));
}

// From the first event on. Returns when the stream has ended, failed, or nobody wants it any more.
static void pass_stream(ClientResponse& response, const AnswerChannel& out) {
    using Verdict = UpstreamStream::Verdict;

    UpstreamStream stream;
    bool has_started = false;
    for (;;) {
        const auto event = response.next_event();
        if (!event && event.error() == Errc::cancelled) return;
        if (!event && event.error() != Errc::eof) {
            if (!has_started) return (void)out.send(unreachable(event.error()));
            return send_broken(out, "The upstream's stream broke off: " + event.error().text() + ".");
        }
        AnswerPart part;
        const Verdict verdict = event ? stream.take(*event, part.text) : stream.finish();
        switch (verdict) {
            case Verdict::skip: continue;
            case Verdict::pass: break;
            case Verdict::done:
                if (!send(out, AnswerPart::Kind::done, {})) return;
                // Read to its end, so that the connection can be used again.
                if (event) (void)response.next_event(k_end_of_body);
                return;
            case Verdict::cut_off: {
                constexpr std::string_view k_why = "The upstream ended its stream before the answer was complete.";
                if (!has_started) return (void)out.send(refusal({502, std::string(k_why), "", "", "upstream_error"}));
                return send_broken(out, k_why);
            }
            case Verdict::failed:
                if (!has_started) return (void)out.send(upstream_refusal(status_of_error(event->data), event->data));
                return (void)send(out, AnswerPart::Kind::end, std::move(part.text));
        }
        if (!has_started) part.headers = headers_for_caller(response.headers());
        has_started = true;
        if (!out.send(std::move(part))) return;
    }
}

Forwarder::Forwarder(std::string base, std::string key, http::ClientConfig config)
    : base_(std::move(base)), key_(std::move(key)), client_(std::move(config)) {}

Result<std::unique_ptr<Forwarder>> Forwarder::make(const Upstream& upstream) {
    const auto url = http::Url::parse(upstream.url);
    if (!url) return url.error();
    std::string base = url->origin();
    std::string path = url->target;
    while (path.ends_with('/')) path.pop_back();
    base += path.empty() ? "/v1" : path;

    http::ClientConfig config;
    // Every stream in flight may leave one behind; a burst after a burst should find them.
    config.idle_connections_per_origin = 1024;
    if (!upstream.ca_file.empty()) {
        net::TlsClientOptions options;
        options.ca_file = upstream.ca_file;
        auto tls = net::TlsConfig::client(options);
        if (!tls) return tls.error();
        config.tls = std::move(tls).value();
    }
    return std::unique_ptr<Forwarder>(new Forwarder(std::move(base), upstream.key, std::move(config)));
}

http::ClientRequest Forwarder::request_to(std::string_view path, const Headers& caller,
                                          std::string_view request_id) const {
    http::ClientRequest request;
    request.url = base_;
    request.url += path;
    for (const auto& [name, value] : caller)
        if (is_for_upstream(name)) request.headers.add(name, value);
    if (!key_.empty())
        request.headers.set("Authorization", "Bearer " + key_);
    else if (const auto own = caller.get("Authorization"))
        request.headers.set("Authorization", *own);
    request.headers.set("X-Request-Id", request_id);
    return request;
}

void Forwarder::chat(const Headers& caller, std::string_view request_id, std::string body, bool is_stream,
                     const AnswerChannel& out) {
    http::ClientRequest request = request_to("/chat/completions", caller, request_id);
    request.method = "POST";
    request.headers.set("Content-Type", "application/json");
    request.headers.set("Accept", is_stream ? "text/event-stream, application/json" : "application/json");
    request.body = std::move(body);
    auto response = client_.request(std::move(request));
    if (!response) {
        if (response.error() != Errc::cancelled) (void)out.send(unreachable(response.error()));
        return;
    }
    const bool is_json = starts_ignoring_case(response->header("Content-Type"), "application/json");
    if (is_stream && response->ok() && !is_json) return pass_stream(*response, out);
    (void)out.send(whole_answer(*response));
}

AnswerPart Forwarder::get(std::string_view path, const Headers& caller, std::string_view request_id) {
    auto response = client_.request(request_to(path, caller, request_id));
    return response ? whole_answer(*response) : unreachable(response.error());
}

}  // namespace reeve::gateway
