// Echo over TCP: clients that come and go, each byte compared, and the totals of both sides.
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <span>
#include <vector>

#include "net/net.hpp"
#include "runtime/runtime.hpp"
#include "tests/storm/talk.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {
namespace {

constexpr std::size_t k_message_max = 20'000;

struct Totals {
    std::atomic<std::uint64_t> connections{0};
    std::atomic<std::uint64_t> bytes{0};
};

void echo(Storm& storm, net::TcpStream stream, Totals& served) {
    std::vector<std::byte> buffer(4096);
    ++served.connections;
    for (;;) {
        const auto bytes = stream.read(buffer);
        if (!bytes) {
            if (bytes.error() != Errc::eof) storm.fail("echo: server: %s", bytes.error().text().c_str());
            return;
        }
        served.bytes += bytes.value();
        if (!stream.write_all(std::span(buffer).first(bytes.value()))) storm.fail("echo: server: not written");
    }
}

// One message there and back.
bool exchange(Storm& storm, net::TcpStream& stream, Chance& chance, Totals& asked) {
    std::vector<std::byte> message(1 + chance.below(k_message_max));
    for (std::byte& byte : message) byte = static_cast<std::byte>(chance.next());
    if (!stream.write_all(message)) {
        storm.fail("echo: client: not written");
        return false;
    }
    asked.bytes += message.size();
    std::vector<std::byte> answer(message.size());
    for (std::size_t at = 0; at < answer.size();) {
        const auto bytes = stream.read(std::span(answer).subspan(at));
        if (!bytes) {
            storm.fail("echo: client: %s after %zu of %zu bytes", bytes.error().text().c_str(), at, answer.size());
            return false;
        }
        at += bytes.value();
    }
    if (answer != message) storm.fail("echo: other bytes than were sent");
    return true;
}

void ask(Storm& storm, Team& team, const net::SocketAddress& address, Chance chance, Totals& asked) {
    while (!storm.is_over()) {
        auto stream = net::TcpStream::connect(address);
        if (!stream) {
            storm.fail("echo: client: %s", stream.error().text().c_str());
            return;
        }
        ++asked.connections;
        for (std::uint64_t left = 1 + chance.below(20); left > 0; --left) {
            if (!exchange(storm, stream.value(), chance, asked)) return;
            ++team.steps;
            if (chance.below(4) == 0) sleep_for(std::chrono::microseconds(chance.below(1'000)));
        }
    }
}

}  // namespace

void echo_over_tcp(Storm& storm, Team& team) {
    auto listener = net::TcpListener::listen("127.0.0.1:0");
    if (!listener) {
        storm.fail("echo: %s", listener.error().text().c_str());
        return;
    }
    Totals served;
    Totals asked;
    auto server = spawn({.name = "echo acceptor"}, [&] {
        std::vector<Join<void>> connections;
        while (auto connection = listener.value().accept()) {
            std::erase_if(connections, [](const Join<void>& join) { return join.is_done(); });
            connections.push_back(spawn({.name = "echo"}, [&, stream = std::move(connection).value()]() mutable {
                echo(storm, std::move(stream), served);
            }));
        }
        for (auto& join : connections) join.join();
    });
    std::vector<Join<void>> clients;
    for (std::uint64_t i = 0; i < 4; ++i)
        clients.push_back(spawn({.name = "echo client"}, [&, i] {
            ask(storm, team, listener.value().local_address(), storm.chance(7000 + i), asked);
        }));
    for (auto& join : clients) join.join();
    // The server has accepted all of them: each client got an answer.
    listener.value().close();
    server.join();
    if (served.connections != asked.connections || served.bytes != asked.bytes)
        storm.fail("echo: %" PRIu64 " connections and %" PRIu64 " bytes served, %" PRIu64 " and %" PRIu64 " asked for",
                   served.connections.load(), served.bytes.load(), asked.connections.load(), asked.bytes.load());
}

}  // namespace reeve::storm
