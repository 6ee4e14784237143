#include "net/tcp.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "net/resolve.hpp"
#include "net/unix.hpp"
#include "runtime/go.hpp"
#include "tests/net/stream_help.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using namespace reeve::test;
using reeve::Errc;
using reeve::net::TcpListener;
using reeve::net::TcpStream;

namespace {

struct Connection {
    TcpStream client;
    TcpStream server;
};

Connection connect_to_itself() {
    TcpListener listener = TcpListener::listen("127.0.0.1:0").value();
    TcpStream client = TcpStream::connect(listener.local_address()).value();
    return {std::move(client), listener.accept().value()};
}

}  // namespace

REEVE_TEST("tcp: many connections at once echo what they are sent", "[tcp]") {
    constexpr int k_connections = 50;
    constexpr std::size_t k_bytes = 20'000;
    TcpListener listener = TcpListener::listen("127.0.0.1:0").value();
    auto acceptor = reeve::spawn([&listener] {
        std::vector<reeve::Join<void>> echoes;
        for (int i = 0; i < k_connections; ++i)
            echoes.push_back(reeve::spawn([stream = listener.accept().value()]() mutable { echo(stream); }));
    });
    std::vector<reeve::Join<bool>> clients;
    for (std::size_t i = 0; i < k_connections; ++i)
        clients.push_back(reeve::spawn([address = listener.local_address(), i] {
            TcpStream stream = TcpStream::connect(address.text()).value();
            auto writer = reeve::spawn([&stream, i] {
                REEVE_EXPECT(stream.write_all(pattern(k_bytes, i)).bytes == k_bytes);
                REEVE_EXPECT(stream.shutdown_write());
            });
            const Received got = read_to_end(stream);
            return got.text == pattern(k_bytes, i) && got.end == Errc::eof;
        }));
    for (auto& client : clients) REEVE_EXPECT(client.join());
}

REEVE_TEST("tcp: both ends know each other's address", "[tcp]") {
    const Connection pair = connect_to_itself();
    REEVE_EXPECT(pair.client.local_address() == pair.server.remote_address());
    REEVE_EXPECT(pair.client.remote_address() == pair.server.local_address());
    REEVE_EXPECT(pair.client.local_address().is_loopback());
}

REEVE_TEST("tcp: IPv6, a name and an empty host are addresses too", "[tcp]") {
    for (const char* text : {"[::1]:0", "localhost:0", ":0"}) {
        auto listener = TcpListener::listen(text);
        // Machines without IPv6 exist.
        if (!listener && std::string_view(text).starts_with("[")) continue;
        if (!REEVE_EXPECT(listener)) continue;
        REEVE_EXPECT(listener->port() != 0);
        auto client = TcpStream::connect(listener->local_address());
        REEVE_EXPECT(client);
        REEVE_EXPECT(listener->accept());
    }
}

REEVE_TEST("tcp: connecting by name tries every address of it", "[tcp]") {
    // "localhost" stands for 127.0.0.1 and ::1, and nobody listens on the first.
    auto listener = TcpListener::listen("[::1]:0");
    if (!listener) return;
    const std::string target = "localhost:" + std::to_string(listener->port());
    REEVE_EXPECT(TcpStream::connect(target, 5s));
}

REEVE_TEST("tcp: a port on which nobody listens refuses", "[tcp]") {
    TcpListener listener = TcpListener::listen("127.0.0.1:0").value();
    const auto address = listener.local_address();
    listener.close();
    REEVE_EXPECT(TcpStream::connect(address).error() == Errc::refused);
    REEVE_EXPECT(TcpStream::connect("127.0.0.1").error() == Errc::malformed);
    REEVE_EXPECT(TcpListener::listen("nonsense").error() == Errc::malformed);
}

REEVE_TEST("tcp: a port in use is an error that says so", "[tcp]") {
    TcpListener listener = TcpListener::listen("127.0.0.1:0").value();
    const auto second = TcpListener::listen(listener.local_address());
    REEVE_EXPECT(!second && second.error().number() == EADDRINUSE);
}

REEVE_TEST("tcp: accept, read and write end at their deadline, and the stream lives on", "[tcp]") {
    TcpListener listener = TcpListener::listen("127.0.0.1:0").value();
    REEVE_EXPECT(listener.accept(2ms).error() == Errc::timed_out);
    REEVE_EXPECT(listener.accept(-1ms).error() == Errc::timed_out);
    TcpStream client = TcpStream::connect(listener.local_address()).value();
    TcpStream server = listener.accept().value();
    std::byte buffer[16];
    REEVE_EXPECT(server.read(buffer, 2ms).error() == Errc::timed_out);
    REEVE_EXPECT(client.write_all("late"));
    REEVE_EXPECT(read_exactly(server, 4) == "late");

    const std::string big(32 * 1024 * 1024, 'x');
    const reeve::Transfer stuck = client.write_all(big, 20ms);
    REEVE_EXPECT(!stuck && stuck.error() == Errc::timed_out);
    REEVE_EXPECT(stuck.bytes < big.size());
    client.close();
    REEVE_EXPECT(read_to_end(server).text.size() == stuck.bytes);
}

REEVE_TEST("tcp: close wakes accept", "[tcp]") {
    TcpListener listener = TcpListener::listen("127.0.0.1:0").value();
    auto waiting = reeve::spawn([&listener] { return listener.accept().error().code(); });
    listener.close();
    REEVE_EXPECT(waiting.join() == Errc::closed);
    REEVE_EXPECT(listener.accept().error() == Errc::closed);
}

REEVE_TEST("tcp: close wakes a reader and a writer", "[tcp]") {
    Connection pair = connect_to_itself();
    auto reader = reeve::spawn([&stream = pair.client] {
        std::byte buffer[16];
        return stream.read(buffer).error().code();
    });
    auto writer = reeve::spawn([&stream = pair.client] {
        const std::string big(32 * 1024 * 1024, 'x');
        return stream.write_all(big).error().code();
    });
    // The writer has begun when something arrives.
    std::byte first[1];
    REEVE_EXPECT(pair.server.read(first));
    pair.client.close();
    REEVE_EXPECT(reader.join() == Errc::closed);
    REEVE_EXPECT(writer.join() == Errc::closed);
    REEVE_EXPECT(pair.client.shutdown_write().error() == Errc::closed);
}

REEVE_TEST("tcp: cancelling a fiber ends its read", "[tcp]") {
    Connection pair = connect_to_itself();
    auto reader = reeve::spawn([&stream = pair.client] {
        std::byte buffer[16];
        return stream.read(buffer).error().code();
    });
    reader.cancel();
    REEVE_EXPECT(reader.join() == Errc::cancelled);
    REEVE_EXPECT(pair.server.write_all("x"));
    REEVE_EXPECT(read_exactly(pair.client, 1) == "x");
}

REEVE_TEST("tcp: a half-closed stream still delivers the other direction", "[tcp]") {
    Connection pair = connect_to_itself();
    REEVE_EXPECT(pair.client.write_all("question"));
    REEVE_EXPECT(pair.client.shutdown_write());
    REEVE_EXPECT(read_to_end(pair.server).text == "question");
    REEVE_EXPECT(pair.server.write_all("answer"));
    pair.server.close();
    REEVE_EXPECT(read_to_end(pair.client).text == "answer");
}

REEVE_TEST("tcp: a peer that resets is an error, not an end and not a signal", "[tcp]") {
    Connection pair = connect_to_itself();
    const linger abort_on_close{1, 0};
    ::setsockopt(pair.server.socket()->get(), SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof abort_on_close);
    pair.server.close();
    std::byte buffer[16];
    REEVE_EXPECT(pair.client.read(buffer).error() == Errc::reset);
    REEVE_EXPECT(pair.client.write_all("x").error() == Errc::reset);
}

REEVE_TEST("resolve: addresses answer themselves and unknown names do not exist", "[resolve]") {
    REEVE_EXPECT(reeve::net::resolve("127.0.0.1", 80).value().front().text() == "127.0.0.1:80");
    REEVE_EXPECT(reeve::net::resolve("::1", 80).value().front().text() == "[::1]:80");
    REEVE_EXPECT(reeve::net::resolve("localhost", 80).value().front().is_loopback());
    REEVE_EXPECT(reeve::net::resolve("", 80).error() == Errc::malformed);
    // Without a network the resolver cannot know; with one it says that the name does not exist.
    const auto unknown = reeve::net::resolve("no-such-host.invalid", 80, 20s);
    REEVE_EXPECT(!unknown);
    const auto late = reeve::net::resolve("no-such-host.invalid", 80, -1ms);
    REEVE_EXPECT(!late && late.error() == Errc::timed_out);
}

REEVE_TEST("unix: streams over a path and over an abstract name", "[unix]") {
    const std::string unique = std::to_string(::getpid()) + "-" + std::to_string(workers());
    for (const std::string& path : {"/tmp/reeve-unix-test-" + unique, "@reeve-unix-test-" + unique}) {
        auto listener = reeve::net::UnixListener::listen(path);
        if (!REEVE_EXPECT(listener)) continue;
        auto server = reeve::spawn([&listener] {
            reeve::net::UnixStream stream = listener->accept().value();
            echo(stream);
        });
        reeve::net::UnixStream client = reeve::net::UnixStream::connect(path).value();
        REEVE_EXPECT(client.write_all(pattern(1000)));
        REEVE_EXPECT(client.shutdown_write());
        REEVE_EXPECT(read_to_end(client).text == pattern(1000));
        server.join();
        REEVE_EXPECT(!reeve::net::UnixListener::listen(path));  // in use
    }
    REEVE_EXPECT(reeve::net::UnixStream::connect("/tmp/reeve-unix-test-" + unique).error() ==
                 Errc::not_found);
    REEVE_EXPECT(reeve::net::UnixStream::connect(std::string(108, 'x')).error() == Errc::too_large);
}
