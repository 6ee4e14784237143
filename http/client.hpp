// Client: HTTP/1.1 requests with a pool of kept-alive connections per origin, and answers that stream.
//
// Idea. request() sends and returns when the head of the answer is there; the body is read by whoever wants it, chunk
// by chunk, whole, or as server-sent events. A body read to its end gives the connection back to the pool; an answer
// destroyed before that closes its connection at once, so the other side sees within a round trip that nobody listens.
// Cancelling the fiber does the same: the wait returns Errc::cancelled, and unwinding destroys the answer.
//
// A pooled connection that the other side has closed meanwhile is replaced without a word when that is safe: nothing
// of the answer arrived, and the request is idempotent, or carries an Idempotency-Key, or no byte of it was sent.
// Redirects are not followed, proxies not used, and no compression is asked for.
//
// A Client may be used by any number of fibers at once; a ClientResponse by one, and it may outlive the client.
// Everything may park; deadlines bound the whole call, the timeouts of ClientConfig each phase. Errors: refused,
// not_found (the name), timed_out, cancelled, reset (the connection ended too early), malformed, too_large, tls, os.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/headers.hpp"
#include "http/sse.hpp"
#include "net/tls.hpp"
#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve::http {

struct Url {
    std::string scheme;  // "http" or "https"
    std::string host;    // lower case; IPv6 without brackets
    std::uint16_t port = 0;
    std::string target;  // "/path?query", at least "/"

    // Errors: malformed. User info is refused, a fragment dropped.
    static Result<Url> parse(std::string_view text);
    [[nodiscard]] std::string authority() const;  // "host", or "host:port" if not the scheme's own; for Host
    [[nodiscard]] std::string origin() const;     // "https://host:port"
};

struct ClientConfig {
    Duration connect_timeout = std::chrono::seconds(10);        // name and TCP
    Duration tls_handshake_timeout = std::chrono::seconds(10);
    Duration write_timeout = std::chrono::seconds(30);          // one write
    Duration head_timeout = std::chrono::minutes(10);           // from the request's last byte; models think long
    Duration body_idle_timeout = std::chrono::minutes(5);       // between two reads of the body that bring bytes
    std::size_t head_bytes = 64 * 1024;
    std::size_t header_fields = 200;
    std::size_t body_bytes = 64 * 1024 * 1024;                  // of body(); read() and events() are not bounded
    std::size_t event_bytes = 16 * 1024 * 1024;                 // one server-sent event
    std::size_t idle_connections_per_origin = 64;
    Duration idle_connection_lifetime = std::chrono::seconds(4);  // below the 5 s after which common servers close
    net::TlsConfig tls;                                         // none: verify against the system's trust store
};

struct ClientRequest {
    std::string method = "GET";
    std::string url;
    Headers headers;
    std::string body;
    // If set, the body is what it returns until eof, sent chunked (or as Content-Length, if among the headers).
    std::function<Result<std::string>()> body_source;
};

class ClientResponse {
public:
    ClientResponse(ClientResponse&&) noexcept;
    ClientResponse& operator=(ClientResponse&&) noexcept;
    ~ClientResponse();  // closes the connection, unless the body was read to its end

    [[nodiscard]] int status() const;
    [[nodiscard]] bool ok() const { return status() >= 200 && status() < 300; }
    [[nodiscard]] const Headers& headers() const;
    [[nodiscard]] std::string_view header(std::string_view name) const { return headers().value_or(name); }

    // The whole (remaining) body. too_large: over ClientConfig::body_bytes.
    Result<std::string> body(Deadline deadline = {});
    // The next piece; eof at the body's end, reset if the connection ended before it.
    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {});
    // The same without copying: what has arrived, valid until the next call; eof at the end.
    Result<std::string_view> read_some(Deadline deadline = {});
    // The next server-sent event; eof at the end. Comments are skipped and do not extend the deadline.
    Result<ServerEvent> next_event(Deadline deadline = {});

    // Ends the exchange at once.
    void close();
    [[nodiscard]] bool reused_connection() const;  // the request went over a connection of the pool

    struct Exchange;  // internal

private:
    friend class Client;
    explicit ClientResponse(std::unique_ptr<Exchange> exchange);
    std::unique_ptr<Exchange> exchange_;
};

class Client {
public:
    explicit Client(ClientConfig config = {});
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;

    Result<ClientResponse> get(std::string_view url, const Headers& headers = {}, Deadline deadline = {});
    Result<ClientResponse> post(std::string_view url, std::string_view body, const Headers& headers = {},
                                Deadline deadline = {});
    Result<ClientResponse> request(ClientRequest request, Deadline deadline = {});

    // request() with Accept: text/event-stream, for `while (auto event = answer.next_event())`. Check status() first.
    Result<ClientResponse> events(ClientRequest request, Deadline deadline = {});

    void close_idle_connections();
    [[nodiscard]] std::size_t idle_connections() const;

    struct Pool;  // internal

private:
    std::shared_ptr<Pool> pool_;
};

}  // namespace reeve::http
