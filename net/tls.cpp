// The TLS engine is driven under `mutex`, and never with a park inside: lock, clear the error queue, one
// engine call, read the error queue, unlock. Only then is the transport used. Hence these rules:
//
// I1  The engine, the outgoing bytes and the failures are touched with `mutex` held, by a fiber that does not
// park. I2  The transport is used without `mutex`, so neither a reader nor a writer that is parked there
// holds up the other. I3  Whoever finds is_sending set leaves its outgoing bytes to that fiber, which goes on
// until nothing is left.
//     So records reach the transport in the order in which they were made, and none is forgotten.
// I4  read() does not send. What the engine answers while reading (a key update) goes out with the next
// write, as TLS
//     allows; only a fatal alert is sent at once, because after it there will be no next write.
#include "net/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "net/address.hpp"
#include "net/tls_config.hpp"
#include "net/tls_errors.hpp"
#include "net/tls_memory.hpp"
#include "runtime/mutex.hpp"

namespace reeve::net {

using namespace std::chrono_literals;

namespace {

// One write() makes at most this much into records, so that a slow peer does not turn into megabytes of
// ciphertext.
constexpr std::size_t k_write_bytes = 32 * 1024;

// A fatal alert is a courtesy to a peer that may not be reading.
constexpr Duration k_alert_patience = 1s;

constexpr Error k_cut_off{Errc::reset,
                          "tls: the connection ended without close_notify (data may be missing)"};
constexpr Error k_cut_off_in_handshake{Errc::reset,
                                       "tls: the peer closed the connection during the handshake"};

}  // namespace

class TlsStream::Session {
public:
    Session(std::unique_ptr<Stream> over, TlsConfig with)
        : transport(std::move(over)), config(std::move(with)) {
        REEVE_CHECK(transport != nullptr);
        REEVE_CHECK(static_cast<bool>(config));
        engine = SSL_new(config.impl_->context);
        BIO* bio = memory.make_bio();
        REEVE_CHECK(engine != nullptr);
        REEVE_CHECK(bio != nullptr);
        SSL_set_bio(engine, bio, bio);  // one reference serves both directions
    }
    ~Session() { SSL_free(engine); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    Result<void> handshake(Deadline deadline);
    Result<void> expect_peer(std::string_view hostname);
    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline);
    Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline);
    Result<void> shutdown_write(Deadline deadline);

    const std::unique_ptr<Stream> transport;
    const TlsConfig config;
    mutable Mutex mutex;
    std::string protocol;
    std::string problem;
    SSL* engine = nullptr;

private:
    enum class Step { done, wants_bytes, ended, failed };

    // lock held: mutex. Runs one engine call and judges its outcome.
    template <class Call>
    Step step(Call call);
    // Sends what the engine made (I3).
    Result<void> flush(Deadline deadline);
    // Waits for bytes from the transport.
    Result<void> fill(Deadline deadline, Error at_end);
    void send_alert(Deadline deadline) { (void)flush(deadline.or_sooner(k_alert_patience)); }

    TlsMemory memory;
    bool is_sending = false;
    bool is_established = false;
    std::optional<Error> read_end;   // what every further read answers
    std::optional<Error> write_end;  // what every further write answers
};

template <class Call>
TlsStream::Session::Step TlsStream::Session::step(Call call) {
    ERR_clear_error();
    const int outcome = call();
    if (outcome == 1) return Step::done;
    switch (SSL_get_error(engine, outcome)) {
        case SSL_ERROR_WANT_READ:
            return Step::wants_bytes;
        case SSL_ERROR_ZERO_RETURN:
            return Step::ended;
        default:
            break;
    }
    TlsProblem taken = take_tls_problem(engine);
    problem = std::move(taken.text);
    read_end = taken.error;
    write_end = taken.error;
    return Step::failed;
}

Result<void> TlsStream::Session::flush(Deadline deadline) {
    std::unique_lock lock(mutex);
    if (is_sending) return {};
    is_sending = true;
    Result<void> outcome;
    while (outcome && memory.has_outgoing()) {
        const std::string batch = memory.take_outgoing();
        lock.unlock();
        const Transfer sent = transport->write_all(batch, deadline);
        lock.lock();
        if (sent) continue;
        outcome = sent.error();
        // Part of a record may be on its way; whatever followed would be garbage to the peer.
        if (!write_end) write_end = sent.error();
    }
    is_sending = false;
    return outcome;
}

Result<void> TlsStream::Session::fill(Deadline deadline, Error at_end) {
    const Result<std::size_t> delivered = transport->read(memory.space(), deadline);
    const std::unique_lock lock(mutex);
    if (delivered) {
        memory.commit(*delivered);
        return {};
    }
    const Error error = delivered.error() == Errc::eof ? at_end : delivered.error();
    if (delivered.error() == Errc::eof) {
        read_end = error;
        problem = error.operation();
    }
    return error;
}

Result<void> TlsStream::Session::handshake(Deadline deadline) {
    for (;;) {
        Step outcome;
        {
            const std::unique_lock lock(mutex);
            if (read_end) return *read_end;
            outcome = step([&] { return SSL_do_handshake(engine); });
            if (outcome == Step::done) {
                const unsigned char* name = nullptr;
                unsigned bytes = 0;
                SSL_get0_alpn_selected(engine, &name, &bytes);
                protocol.assign(reinterpret_cast<const char*>(name), bytes);
                is_established = true;
            }
        }
        if (outcome == Step::failed || outcome == Step::ended) {
            send_alert(deadline);
            const std::unique_lock lock(mutex);
            return read_end.value_or(k_cut_off_in_handshake);
        }
        if (const Result<void> sent = flush(deadline); !sent) return sent;
        if (outcome == Step::done) return {};
        if (const Result<void> filled = fill(deadline, k_cut_off_in_handshake); !filled) return filled;
    }
}

Result<void> TlsStream::Session::expect_peer(std::string_view hostname) {
    if (hostname.ends_with('.'))
        hostname.remove_suffix(1);  // the root's dot is not part of names in certificates
    const std::string name(hostname.substr(0, hostname.find('%')));
    const std::unique_lock lock(mutex);
    ERR_clear_error();
    if (is_ip_address(name)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(engine), name.c_str()) == 1) return {};
    } else {
        SSL_set_hostflags(engine, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        // An empty name would switch the check off.
        if (!name.empty() && SSL_set_tlsext_host_name(engine, name.c_str()) == 1 &&
            SSL_set1_host(engine, name.c_str()) == 1)
            return {};
    }
    ERR_clear_error();
    return Error(Errc::malformed, "tls: not a host name");
}

Result<std::size_t> TlsStream::Session::read(std::span<std::byte> into, Deadline deadline) {
    if (into.empty()) return std::size_t{0};
    for (;;) {
        Step outcome;
        {
            const std::unique_lock lock(mutex);
            if (read_end) return *read_end;
            REEVE_CHECK(is_established);
            std::size_t bytes = 0;
            outcome = step([&] { return SSL_read_ex(engine, into.data(), into.size(), &bytes); });
            if (outcome == Step::done) return bytes;
            if (outcome == Step::ended) read_end = Error(Errc::eof, "tls read");
            if (outcome == Step::ended) return *read_end;
        }
        if (outcome == Step::failed) {
            send_alert(deadline);
            const std::unique_lock lock(mutex);
            return *read_end;
        }
        if (const Result<void> filled = fill(deadline, k_cut_off); !filled) return filled.error();
    }
}

Result<std::size_t> TlsStream::Session::write(std::span<const std::byte> from, Deadline deadline) {
    if (from.empty()) return std::size_t{0};
    std::size_t bytes = 0;
    {
        const std::unique_lock lock(mutex);
        if (write_end) return *write_end;
        REEVE_CHECK(is_established);
        const std::size_t wanted = std::min(from.size(), k_write_bytes);
        const Step outcome = step([&] { return SSL_write_ex(engine, from.data(), wanted, &bytes); });
        // The memory takes everything and there is no renegotiation, so "wants bytes" would be an engine gone
        // mad.
        if (outcome != Step::done) return write_end.value_or(Error(Errc::tls, "tls write"));
    }
    if (const Result<void> sent = flush(deadline); !sent) return sent.error();
    return bytes;
}

Result<void> TlsStream::Session::shutdown_write(Deadline deadline) {
    {
        const std::unique_lock lock(mutex);
        if (!write_end && is_established) {
            ERR_clear_error();
            // 0: close_notify was made, the peer's is still to come; not waiting for it is allowed.
            if (SSL_shutdown(engine) < 0) ERR_clear_error();
            write_end = Error(Errc::closed, "tls write after shutdown");
        }
    }
    if (const Result<void> sent = flush(deadline); !sent) return sent;
    return transport->shutdown_write(deadline);
}

TlsStream::TlsStream(std::unique_ptr<Stream> transport, TlsConfig config)
    : session_(std::make_unique<Session>(std::move(transport), std::move(config))) {}

TlsStream::~TlsStream() = default;

Result<void> TlsStream::handshake_server(Deadline deadline) {
    REEVE_CHECK(session_->config.impl_->is_server);
    SSL_set_accept_state(session_->engine);
    return session_->handshake(deadline);
}

Result<void> TlsStream::handshake_client(std::string_view hostname, Deadline deadline) {
    REEVE_CHECK(!session_->config.impl_->is_server);
    if (const Result<void> expected = session_->expect_peer(hostname); !expected) return expected;
    SSL_set_connect_state(session_->engine);
    return session_->handshake(deadline);
}

Result<std::size_t> TlsStream::read(std::span<std::byte> into, Deadline deadline) {
    return session_->read(into, deadline);
}

Result<std::size_t> TlsStream::write(std::span<const std::byte> from, Deadline deadline) {
    return session_->write(from, deadline);
}

Result<void> TlsStream::shutdown_write(Deadline deadline) { return session_->shutdown_write(deadline); }
void TlsStream::close() { session_->transport->close(); }
Fd* TlsStream::socket() { return session_->transport->socket(); }

std::string TlsStream::alpn() const {
    const std::unique_lock lock(session_->mutex);
    return session_->protocol;
}

const char* TlsStream::version() const {
    const std::unique_lock lock(session_->mutex);
    return SSL_get_version(session_->engine);
}

std::string TlsStream::problem() const {
    const std::unique_lock lock(session_->mutex);
    return session_->problem;
}

}  // namespace reeve::net
