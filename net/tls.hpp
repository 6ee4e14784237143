// TlsConfig and TlsStream: TLS 1.2 and 1.3, server and client, over any Stream.
//
//     auto config = TlsConfig::client().value();
//     TlsStream stream(std::make_unique<TcpStream>(std::move(tcp)), config);
//     if (auto done = stream.handshake_client("example.org", 10s); !done) ... done.error().text() ...
//
// Idea. The TLS engine works in memory only: it is fed with what the transport delivered, and what it
// produced is sent afterwards. So the engine never waits, and no park ever falls between an engine call and
// the reading of its error queue, which belongs to the OS thread and would be another thread's after a park.
//
// Callers. As any Stream: one fiber may read while another writes; handshake first, by one fiber. A reader
// never waits for the transport's sending side, nor a writer for its receiving side. May park: everything but
// the constructors, close(), alpn() and problem().
//
// Errors. Errc::tls: the peer's certificate or its bytes were refused; the error's operation says which
// problem. Errc::reset: the transport ended without the peer's close_notify, so the last bytes may be
// missing. eof: the peer said that it is done. A write that fails (a deadline too) leaves half a record
// behind: all later writes fail.
//
// close() cuts the transport at once. To end in order call shutdown_write() before it, else the peer reports
// a cut-off stream.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.hpp"

namespace reeve::net {

struct TlsServerOptions {
    std::string certificate_file = {};   // PEM: the certificate, then the intermediate ones
    std::string key_file = {};           // PEM, not encrypted
    std::vector<std::string> alpn = {};  // in order of preference; empty: the extension is ignored
};

struct TlsClientOptions {
    bool verify = true;        // false: any certificate is accepted. Not for production
    bool trust_system = true;  // the system's trust store (SSL_CERT_FILE and SSL_CERT_DIR are honoured)
    std::string ca_file = {};  // PEM: further authorities to trust
    std::vector<std::string> alpn = {};  // offered in this order
};

// Cheap to copy: copies share one immutable configuration. Any thread. Making one reads files.
class TlsConfig {
public:
    TlsConfig() = default;  // none; a TlsStream refuses it

    static Result<TlsConfig> server(const TlsServerOptions& options);
    static Result<TlsConfig> client(const TlsClientOptions& options = {});

    explicit operator bool() const { return impl_ != nullptr; }

    class Impl;  // internal

private:
    friend class TlsStream;
    explicit TlsConfig(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

    std::shared_ptr<const Impl> impl_;
};

class TlsStream final : public Stream {
public:
    TlsStream(std::unique_ptr<Stream> transport, TlsConfig config);
    ~TlsStream() override;
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    Result<void> handshake_server(Deadline deadline = {});
    // `hostname` is sent to the server and must be in its certificate; an IP address must be there as such.
    Result<void> handshake_client(std::string_view hostname, Deadline deadline = {});

    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {}) override;
    Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline = {}) override;
    // Tells the peer that nothing more comes (close_notify), then shuts down the transport's sending side.
    Result<void> shutdown_write(Deadline deadline = {}) override;
    void close() override;
    [[nodiscard]] Fd* socket() override;

    [[nodiscard]] std::string alpn() const;     // the agreed protocol; empty: none
    [[nodiscard]] const char* version() const;  // "TLSv1.3"
    // What went wrong, in more words than the error has; empty while nothing did.
    [[nodiscard]] std::string problem() const;

private:
    class Session;
    std::unique_ptr<Session> session_;
};

}  // namespace reeve::net
