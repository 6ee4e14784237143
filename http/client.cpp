#include "http/client.hpp"

#include <algorithm>
#include <cstring>

#include "http/exchange.hpp"
#include "http/pool.hpp"
#include "http/text.hpp"

namespace reeve::http {

// After a write failed, the other side may have said why before it closed (413, 401): this long is listened.
static constexpr Duration k_early_answer_time = std::chrono::milliseconds(500);

ClientResponse::ClientResponse(std::unique_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
ClientResponse::ClientResponse(ClientResponse&&) noexcept = default;
ClientResponse& ClientResponse::operator=(ClientResponse&&) noexcept = default;
ClientResponse::~ClientResponse() = default;

int ClientResponse::status() const { return exchange_->head.status; }

const Headers& ClientResponse::headers() const { return exchange_->head.headers; }

bool ClientResponse::reused_connection() const { return exchange_->reused; }

Result<std::string> ClientResponse::body(Deadline deadline) {
    const std::size_t limit = exchange_->pool->config.body_bytes;
    const MessageHead& head = exchange_->head;
    std::string whole;
    if (head.has_length && head.content_length <= limit) whole.reserve(static_cast<std::size_t>(head.content_length));
    for (;;) {
        const Result<std::string_view> piece = exchange_->read_some(deadline);
        if (!piece && piece.error() == Errc::eof) return whole;
        if (!piece) return piece.error();
        if (whole.size() + piece->size() > limit) {
            close();
            return Error(Errc::too_large, "http response");
        }
        whole.append(*piece);
    }
}

Result<std::string_view> ClientResponse::read_some(Deadline deadline) {
    if (!exchange_->unread.empty()) return std::exchange(exchange_->unread, {});
    return exchange_->read_some(deadline);
}

Result<std::size_t> ClientResponse::read(std::span<std::byte> into, Deadline deadline) {
    std::string_view& unread = exchange_->unread;
    if (unread.empty()) {
        const Result<std::string_view> piece = exchange_->read_some(deadline);
        if (!piece) return piece.error();
        unread = *piece;
    }
    const std::size_t count = std::min(into.size(), unread.size());
    std::memcpy(into.data(), unread.data(), count);
    unread.remove_prefix(count);
    return count;
}

Result<ServerEvent> ClientResponse::next_event(Deadline deadline) { return exchange_->next_event(deadline); }

void ClientResponse::close() { exchange_->stream.reset(); }

Client::Client(ClientConfig config) : pool_(std::make_shared<Pool>(std::move(config))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

void Client::close_idle_connections() { pool_->clear(); }

std::size_t Client::idle_connections() const { return pool_->size(); }

Result<ClientResponse> Client::get(std::string_view url, const Headers& headers, Deadline deadline) {
    ClientRequest wanted;
    wanted.url = url;
    wanted.headers = headers;
    return request(std::move(wanted), deadline);
}

Result<ClientResponse> Client::post(std::string_view url, std::string_view body, const Headers& headers,
                                    Deadline deadline) {
    ClientRequest wanted;
    wanted.method = "POST";
    wanted.url = url;
    wanted.body = body;
    wanted.headers = headers;
    return request(std::move(wanted), deadline);
}

Result<ClientResponse> Client::events(ClientRequest request, Deadline deadline) {
    request.headers.set("Accept", "text/event-stream");
    return this->request(std::move(request), deadline);
}

// Whether doing it twice is the same as doing it once (RFC 9110, 9.2.2), or the server was told how to notice.
static bool is_idempotent(const ClientRequest& request) {
    constexpr std::string_view methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    return std::find(std::begin(methods), std::end(methods), request.method) != std::end(methods) ||
           request.headers.contains("idempotency-key");
}

Result<ClientResponse> Client::request(ClientRequest request, Deadline deadline) {
    const Result<Url> url = Url::parse(request.url);
    if (!url) return url.error();
    if (request.method.empty() || !std::all_of(request.method.begin(), request.method.end(), is_token_char))
        return Error(Errc::malformed, "http method");
    const std::string origin = url->origin();
    for (bool fresh = false;; fresh = true) {
        std::unique_ptr<net::Stream> stream = fresh ? nullptr : pool_->take(origin);
        const bool reused = stream != nullptr;
        if (!stream) {
            auto opened = pool_->open(*url, deadline);
            if (!opened) return opened.error();
            stream = std::move(*opened);
        }
        auto exchange =
            std::make_unique<ClientResponse::Exchange>(pool_, origin, std::move(stream), reused);
        const Result<void> sent = exchange->send(*url, request, deadline);
        const bool may_have_answer = sent.has_value() || sent.error() == Errc::reset;
        Result<void> received = sent;
        if (may_have_answer) {
            const Deadline until = sent ? deadline : deadline.or_sooner(k_early_answer_time);
            received = exchange->receive_head(request.method == "HEAD", until);
            if (received) return ClientResponse(std::move(exchange));
        }
        // A pooled connection may have been closed in the moment it was taken: try once more on a new one.
        const Error error = sent ? received.error() : sent.error();
        const bool was_closed = error == Errc::reset || error == Errc::eof;
        const bool may_repeat = !exchange->sent_any || (is_idempotent(request) && !request.body_source);
        if (!reused || !was_closed || !exchange->is_untouched() || !may_repeat) return error;
    }
}

}  // namespace reeve::http
