// TcpListener and TcpStream: connections as streams on fibers.
//
//     auto listener = TcpListener::listen("127.0.0.1:0").value();
//     while (auto connection = listener.accept())
//         go([stream = std::move(connection).value()]() mutable { ... stream.read(buffer) ... });
//
// listen, accept and connect may park. A listener and a stream are movable only until they are shared between
// fibers; close() may then come from any fiber and wakes the others with Errc::closed. Destroying closes.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "net/address.hpp"
#include "net/socket_stream.hpp"

namespace reeve::net {

class TcpStream final : public SocketStream {
public:
    // A connected, non-blocking socket.
    explicit TcpStream(Fd connected) : SocketStream(std::move(connected)) {}

    // "host:port"; tries all addresses of the name in order until one answers, the deadline being for all of
    // them. On failure the error is that of the last address tried. An empty host means this machine.
    static Result<TcpStream> connect(std::string_view host_port, Deadline deadline = {});
    static Result<TcpStream> connect(const SocketAddress& address, Deadline deadline = {});

    [[nodiscard]] SocketAddress local_address() const;   // of no family when the socket is closed
    [[nodiscard]] SocketAddress remote_address() const;  // of no family when the peer has gone

    // True (what every stream starts with): small writes are sent at once and not held back to be joined with
    // others.
    void set_no_delay(bool on);
};

struct ListenOptions {
    int backlog = 4096;       // the kernel lowers it to net.core.somaxconn
    bool reuse_port = false;  // several listeners on one port, among which the kernel spreads the connections
};

class TcpListener {
public:
    // "127.0.0.1:8080", "[::1]:0", "localhost:80", ":8080" (every IPv4 address). Port 0: the kernel chooses,
    // see port().
    static Result<TcpListener> listen(std::string_view text, ListenOptions options = {});
    static Result<TcpListener> listen(const SocketAddress& address, ListenOptions options = {});

    TcpListener(TcpListener&& other) noexcept;
    TcpListener& operator=(TcpListener&& other) noexcept;

    // The next connection. Connections that died in the queue are passed over. When descriptors or memory
    // have run out it waits and tries again, with a line to standard error, because giving up would end the
    // server.
    Result<TcpStream> accept(Deadline deadline = {});

    [[nodiscard]] SocketAddress local_address() const { return address_; }
    [[nodiscard]] std::uint16_t port() const { return address_.port(); }
    // Ends accept() with Errc::closed; connections already accepted live on.
    void close() { fd_.close(); }

private:
    TcpListener(Fd fd, const SocketAddress& address) : fd_(std::move(fd)), address_(address) {}

    Fd fd_;
    SocketAddress address_;
    std::atomic<std::int64_t> warned_ns_{0};  // any accepting fiber; keeps the warning to one a second
};

}  // namespace reeve::net
