#include "net/tls.hpp"

#include <openssl/err.h>

#include <chrono>
#include <string>
#include <vector>

#include "net/pipe.hpp"
#include "net/tcp.hpp"
#include "runtime/go.hpp"
#include "tests/net/stream_help.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using namespace reeve::test;
using reeve::Errc;
using reeve::Error;
using reeve::Result;
using reeve::net::PipeStream;
using reeve::net::TlsClientOptions;
using reeve::net::TlsConfig;
using reeve::net::TlsServerOptions;
using reeve::net::TlsStream;

namespace {

Certificates& certificates() {
    static Certificates made;
    return made;
}

TlsConfig server_config(const CertificateFiles& files, std::vector<std::string> alpn = {}) {
    return TlsConfig::server(
               {.certificate_file = files.certificate, .key_file = files.key, .alpn = std::move(alpn)})
        .value();
}

// Made once: every body below runs three times.
const CertificateFiles& localhost_files() {
    static const CertificateFiles files = certificates().signed_for("DNS:localhost,IP:127.0.0.1");
    return files;
}

TlsConfig trusting_client(std::vector<std::string> alpn = {}) {
    return TlsConfig::client(
               {.trust_system = false, .ca_file = certificates().authority(), .alpn = std::move(alpn)})
        .value();
}

// A client and a server joined in memory; the raw ends are kept for the tests that meddle.
struct Pair {
    std::unique_ptr<TlsStream> client;
    std::unique_ptr<TlsStream> server;
    PipeStream* raw_client = nullptr;
    PipeStream* raw_server = nullptr;
    Result<void> client_outcome;
    Result<void> server_outcome;
};

Pair join(const TlsConfig& server, const TlsConfig& client, const char* hostname = "localhost") {
    auto [left, right] = reeve::net::make_pipe(20'000);
    Pair pair;
    pair.raw_client = left.get();
    pair.raw_server = right.get();
    pair.client = std::make_unique<TlsStream>(std::move(left), client);
    pair.server = std::make_unique<TlsStream>(std::move(right), server);
    auto accepting = reeve::spawn([&pair] {
        pair.server_outcome = pair.server->handshake_server(10s);
        if (!pair.server_outcome) pair.server->close();
    });
    pair.client_outcome = pair.client->handshake_client(hostname, 10s);
    if (!pair.client_outcome) pair.client->close();
    accepting.join();
    return pair;
}

Pair join() { return join(server_config(localhost_files()), trusting_client()); }

bool mentions(const Error& error, std::string_view words) {
    return error.text().find(words) != std::string::npos;
}

}  // namespace

REEVE_TEST("tls: over TCP, a certificate of a trusted authority is accepted and bytes echo", "[tls]") {
    auto listener = reeve::net::TcpListener::listen("127.0.0.1:0").value();
    const TlsConfig config = server_config(localhost_files());
    auto server = reeve::spawn([&listener, config] {
        TlsStream stream(std::make_unique<reeve::net::TcpStream>(listener.accept().value()), config);
        if (REEVE_EXPECT(stream.handshake_server(10s))) echo(stream);
    });
    auto tcp = reeve::net::TcpStream::connect(listener.local_address()).value();
    TlsStream stream(std::make_unique<reeve::net::TcpStream>(std::move(tcp)), trusting_client());
    REEVE_EXPECT(stream.socket() != nullptr);
    if (!REEVE_EXPECT(stream.handshake_client("localhost", 10s))) return stream.close();
    REEVE_EXPECT(std::string_view(stream.version()) == "TLSv1.3");
    REEVE_EXPECT(stream.write_all(pattern(5000)));
    REEVE_EXPECT(read_exactly(stream, 5000) == pattern(5000));
    REEVE_EXPECT(stream.shutdown_write());
    REEVE_EXPECT(read_to_end(stream).end == Errc::eof);
}

REEVE_TEST("tls: the certificate must be for the host that was asked for", "[tls]") {
    const TlsConfig server = server_config(localhost_files());
    REEVE_EXPECT(join(server, trusting_client(), "localhost").client_outcome);
    REEVE_EXPECT(join(server, trusting_client(), "127.0.0.1").client_outcome);
    const Pair other = join(server, trusting_client(), "example.org");
    if (!REEVE_EXPECT(!other.client_outcome)) return;
    REEVE_EXPECT(other.client_outcome.error() == Errc::tls);
    REEVE_EXPECT(mentions(other.client_outcome.error(), "another host name"));
    REEVE_EXPECT(!other.server_outcome && other.server_outcome.error() == Errc::tls);
    const Pair other_ip = join(server, trusting_client(), "127.0.0.2");
    REEVE_EXPECT(!other_ip.client_outcome && mentions(other_ip.client_outcome.error(), "another IP address"));
    const Pair nobody = join(server, trusting_client(), "");
    REEVE_EXPECT(!nobody.client_outcome && nobody.client_outcome.error() == Errc::malformed);
}

REEVE_TEST("tls: a certificate nobody vouches for is refused, unless verification was switched off",
           "[tls]") {
    const TlsConfig server = server_config(certificates().self_signed_for("DNS:localhost"));
    const Pair strict = join(server, trusting_client());
    REEVE_EXPECT(!strict.client_outcome && mentions(strict.client_outcome.error(), "self-signed"));
    REEVE_EXPECT(!strict.server_outcome && mentions(strict.server_outcome.error(), "does not trust"));
    REEVE_EXPECT(!strict.client->problem().empty());
    const Pair unknown_authority = join(server_config(localhost_files()), TlsConfig::client().value());
    REEVE_EXPECT(!unknown_authority.client_outcome);
    REEVE_EXPECT(mentions(unknown_authority.client_outcome.error(), "authority not trusted"));
    const Pair careless = join(server, TlsConfig::client({.verify = false}).value(), "example.org");
    REEVE_EXPECT(careless.client_outcome);
    REEVE_EXPECT(careless.server_outcome);
}

REEVE_TEST("tls: an expired certificate is refused and the error says so", "[tls]") {
    const Pair pair = join(server_config(certificates().signed_for("DNS:localhost", -2)), trusting_client());
    REEVE_EXPECT(!pair.client_outcome && mentions(pair.client_outcome.error(), "has expired"));
}

REEVE_TEST("tls: the application protocol is the server's first that the client offers", "[tls]") {
    const TlsConfig server = server_config(localhost_files(), {"http/1.1", "other"});
    const Pair agreed = join(server, trusting_client({"h2", "other", "http/1.1"}));
    REEVE_EXPECT(agreed.client->alpn() == "http/1.1");
    REEVE_EXPECT(agreed.server->alpn() == "http/1.1");
    REEVE_EXPECT(join(server, trusting_client()).client->alpn().empty());
    const Pair strangers = join(server, trusting_client({"h2"}));
    REEVE_EXPECT(!strangers.client_outcome && mentions(strangers.client_outcome.error(), "ALPN"));
    REEVE_EXPECT(!strangers.server_outcome && mentions(strangers.server_outcome.error(), "ALPN"));
}

REEVE_TEST("tls: plain bytes instead of a handshake are an error that says what they are", "[tls]") {
    auto [left, right] = reeve::net::make_pipe();
    TlsStream server(std::move(right), server_config(localhost_files()));
    REEVE_EXPECT(left->write_all("GET / HTTP/1.1\r\n\r\n"));
    const Result<void> outcome = server.handshake_server(10s);
    REEVE_EXPECT(!outcome && mentions(outcome.error(), "plain HTTP request"));
}

REEVE_TEST("tls: a handshake ends at its deadline and when the peer goes", "[tls]") {
    auto [left, right] = reeve::net::make_pipe();
    TlsStream client(std::move(left), trusting_client());
    REEVE_EXPECT(client.handshake_client("localhost", 2ms).error() == Errc::timed_out);
    right->close();
    REEVE_EXPECT(client.handshake_client("localhost", 10s).error() == Errc::reset);
}

REEVE_TEST("tls: one byte at a time, everything still arrives", "[tls]") {
    auto [left, right] = reeve::net::make_pipe();
    left->set_faults({.read_at_most = 1, .write_at_most = 1});
    TlsStream client(std::move(left), trusting_client());
    TlsStream server(std::move(right), server_config(localhost_files()));
    auto serving = reeve::spawn([&server] {
        if (REEVE_EXPECT(server.handshake_server(10s))) echo(server);
    });
    if (REEVE_EXPECT(client.handshake_client("localhost", 10s))) {
        REEVE_EXPECT(client.write_all(pattern(300)));
        REEVE_EXPECT(client.shutdown_write());
        REEVE_EXPECT(read_to_end(client).text == pattern(300));
    } else {
        client.close();
    }
    serving.join();
}

REEVE_TEST("tls: reader and writer at once, megabytes both ways with nothing lost", "[tls]") {
    constexpr std::size_t k_bytes = is_sanitized() ? 500'000 : 4'000'000;
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    const auto send = [](TlsStream& stream, std::size_t seed) {
        const reeve::Transfer sent = stream.write_all(pattern(k_bytes, seed));
        return sent && sent.bytes == k_bytes && stream.shutdown_write();
    };
    auto up = reeve::spawn([&] { return send(*pair.client, 1); });
    auto down = reeve::spawn([&] { return send(*pair.server, 2); });
    auto at_server = reeve::spawn([&] { return read_to_end(*pair.server); });
    const Received at_client = read_to_end(*pair.client);
    const Received got = at_server.join();
    REEVE_EXPECT(up.join());
    REEVE_EXPECT(down.join());
    REEVE_EXPECT(got.end == Errc::eof && got.text == pattern(k_bytes, 1));
    REEVE_EXPECT(at_client.end == Errc::eof && at_client.text == pattern(k_bytes, 2));
}

REEVE_TEST("tls: a reader that waits does not hold up the writer, nor a stuck writer the reader", "[tls]") {
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    auto reader = reeve::spawn([&] { return read_exactly(*pair.client, 6); });
    // Far more than the pipe holds, and the server does not read yet.
    auto writer = reeve::spawn([&] { return pair.client->write_all(pattern(100'000)).bytes; });
    std::string first = read_exactly(*pair.server, 1);
    REEVE_EXPECT(pair.server->write_all("answer"));
    REEVE_EXPECT(reader.join() == "answer");
    REEVE_EXPECT(first + read_exactly(*pair.server, 99'999) == pattern(100'000));
    REEVE_EXPECT(writer.join() == 100'000);
}

REEVE_TEST("tls: a stream cut off without close_notify is not an end", "[tls]") {
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    REEVE_EXPECT(pair.server->write_all("half an ans"));
    REEVE_EXPECT(pair.raw_server->shutdown_write());  // the transport ends in order, TLS does not
    const Received got = read_to_end(*pair.client);
    REEVE_EXPECT(got.text == "half an ans");
    REEVE_EXPECT(got.end == Errc::reset);
    REEVE_EXPECT(read_to_end(*pair.client).end == Errc::reset);
}

REEVE_TEST("tls: a damaged record ends the session on both sides", "[tls]") {
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    REEVE_EXPECT(pair.raw_server->write_all(std::string_view("\x17\x03\x03\x00\x20", 5)));
    REEVE_EXPECT(pair.raw_server->write_all(pattern(32)));
    std::byte buffer[16];
    const auto got = pair.client->read(buffer);
    REEVE_EXPECT(!got && mentions(got.error(), "damaged"));
    REEVE_EXPECT(pair.client->write_all("x").error() == Errc::tls);
    REEVE_EXPECT(read_to_end(*pair.server).end == Errc::tls);  // the alert has arrived
}

REEVE_TEST("tls: a write that timed out spoils writing for good, not reading", "[tls]") {
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    const std::string big(100'000, 'x');
    std::string drained(100, ' ');
    REEVE_EXPECT(pair.client->write_all(big, 2ms).error() == Errc::timed_out);
    // Now there is room again, and what would come through is the rest of a record that has lost its
    // beginning.
    REEVE_EXPECT(read_exactly(*pair.raw_server, 20'000).size() == 20'000);
    REEVE_EXPECT(pair.client->write_all("x", 10s).error() == Errc::timed_out);
    REEVE_EXPECT(pair.raw_server->read(std::as_writable_bytes(std::span(drained)), -1ms).error() ==
                 Errc::timed_out);
    REEVE_EXPECT(pair.server->write_all("still here"));
    REEVE_EXPECT(read_exactly(*pair.client, 10) == "still here");
}

REEVE_TEST("tls: deadline, cancellation and close end a read", "[tls]") {
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    const auto read_one = [&pair](reeve::Deadline deadline) {
        std::byte buffer[16];
        const auto got = pair.client->read(buffer, deadline);
        return got ? Errc::os : got.error().code();
    };
    REEVE_EXPECT(read_one(2ms) == Errc::timed_out);
    auto cancelled = reeve::spawn([&] { return read_one({}); });
    cancelled.cancel();
    REEVE_EXPECT(cancelled.join() == Errc::cancelled);
    REEVE_EXPECT(pair.server->write_all("x"));
    REEVE_EXPECT(read_exactly(*pair.client, 1) == "x");
    auto closed = reeve::spawn([&] { return read_one({}); });
    pair.client->close();
    REEVE_EXPECT(closed.join() == Errc::closed);
}

REEVE_TEST("tls: complaints left in the thread's error queue do not disturb a session", "[tls]") {
    Pair pair = join();
    if (!REEVE_EXPECT(pair.client_outcome)) return;
    auto reader = reeve::spawn([&] {
        ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
        return read_exactly(*pair.client, 3);  // parks: "want read" with a queue that is not empty
    });
    for (int i = 0; i < 3; ++i) {
        reeve::this_fiber::yield();
        ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
        REEVE_EXPECT(pair.server->write_all("x"));
    }
    REEVE_EXPECT(reader.join() == "xxx");
}

REEVE_TEST("tls: sessions that fail do not disturb sessions on the same thread that do not", "[tls]") {
    constexpr int k_sessions = 8;
    constexpr int k_rounds = is_sanitized() ? 10 : 30;
    std::vector<reeve::Join<void>> fibers;
    for (int i = 0; i < k_sessions; ++i)
        fibers.push_back(reeve::spawn([i] {
            if (i % 2 == 0) {
                Pair pair = join();
                if (!REEVE_EXPECT(pair.client_outcome)) return;
                auto echoing = reeve::spawn([&pair] { echo(*pair.server); });
                for (std::size_t round = 0; round < k_rounds; ++round) {
                    REEVE_EXPECT(pair.client->write_all(pattern(700, round)));
                    REEVE_EXPECT(read_exactly(*pair.client, 700) == pattern(700, round));
                }
                REEVE_EXPECT(pair.client->shutdown_write());
                return;
            }
            for (int round = 0; round < k_rounds / 5; ++round) {
                Pair pair = join();
                if (!REEVE_EXPECT(pair.server_outcome)) return;
                REEVE_EXPECT(pair.raw_client->write_all(pattern(100)));
                std::byte buffer[16];
                REEVE_EXPECT(pair.server->read(buffer).error() == Errc::tls);
            }
        }));
    for (auto& fiber : fibers) fiber.join();
}

TEST_CASE("tls: a configuration says which file is wrong", "[tls]") {
    const CertificateFiles good = certificates().signed_for("DNS:localhost");
    const CertificateFiles other = certificates().signed_for("DNS:localhost");
    const auto missing = TlsConfig::server({.certificate_file = "/no/such.pem", .key_file = good.key});
    REQUIRE_FALSE(missing);
    CHECK(missing.error() == Errc::not_found);
    CHECK(mentions(missing.error(), "certificate file"));
    const auto swapped = TlsConfig::server({.certificate_file = good.key, .key_file = good.key});
    REQUIRE_FALSE(swapped);
    CHECK(mentions(swapped.error(), "does not hold a PEM certificate"));
    const auto mismatch = TlsConfig::server({.certificate_file = good.certificate, .key_file = other.key});
    REQUIRE_FALSE(mismatch);
    CHECK(mentions(mismatch.error(), "does not belong"));
    const auto no_authority = TlsConfig::client({.ca_file = "/no/such.pem"});
    REQUIRE_FALSE(no_authority);
    CHECK(mentions(no_authority.error(), "authorities"));
}
