#include "net/tcp.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "net/resolve.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/sleep.hpp"

namespace reeve::net {

using namespace std::chrono_literals;

namespace {

// With several addresses each gets its share of the time, but not less than this: a dead first address must
// not eat the deadline of the others, nor must many addresses leave none of them enough.
constexpr Duration k_share_min = 2s;

// How long a listener that ran out of descriptors or memory waits before it asks again.
constexpr Duration k_backoff = 20ms;
constexpr std::int64_t k_warn_interval_ns = 1'000'000'000;

Deadline share_of(Deadline whole, std::size_t addresses_left) {
    if (whole.is_never() || addresses_left <= 1) return whole;
    const std::int64_t left_ns = whole.ns() - now_ns();
    const std::int64_t share_ns =
        std::max(left_ns / static_cast<std::int64_t>(addresses_left), k_share_min.count());
    return whole.or_sooner(Deadline::at_ns(now_ns() + share_ns));
}

Result<Fd> open_socket(int family) {
    const int number = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0) return Error::from_errno(errno, "socket");
    return Fd(number);
}

void set_option(const Fd& fd, int level, int name, int value) {
    // Only options that every kernel we run on has; that they fail on a socket the peer has left does not
    // matter.
    (void)::setsockopt(fd.get(), level, name, &value, sizeof value);
}

SocketAddress name_of_socket(int (*ask)(int, sockaddr*, socklen_t*), const Fd& fd) {
    sockaddr_storage address{};
    socklen_t bytes = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (!fd.is_open() || ask(fd.get(), generic, &bytes) != 0) return {};
    return SocketAddress::from_sockaddr(generic, bytes);
}

}  // namespace

Result<TcpStream> TcpStream::connect(const SocketAddress& address, Deadline deadline) {
    Result<Fd> fd = open_socket(address.family());
    if (!fd) return fd.error();
    set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (const Result<void> connected = fd->connect(address.data(), address.size(), deadline); !connected)
        return connected.error();
    return TcpStream(std::move(*fd));
}

Result<TcpStream> TcpStream::connect(std::string_view host_port, Deadline deadline) {
    const Result<HostPort> parts = HostPort::parse(host_port);
    if (!parts) return parts.error();
    const std::string_view host = parts->host.empty() ? std::string_view("localhost") : parts->host;
    const Result<std::vector<SocketAddress>> addresses = resolve(host, parts->port, deadline);
    if (!addresses) return addresses.error();
    Error last(Errc::not_found, "connect");
    for (std::size_t i = 0; i < addresses->size(); ++i) {
        Result<TcpStream> stream = connect((*addresses)[i], share_of(deadline, addresses->size() - i));
        if (stream || stream.error() == Errc::cancelled || deadline.has_passed()) return stream;
        last = stream.error();
    }
    return last;
}

SocketAddress TcpStream::local_address() const { return name_of_socket(::getsockname, fd_); }
SocketAddress TcpStream::remote_address() const { return name_of_socket(::getpeername, fd_); }
void TcpStream::set_no_delay(bool on) { set_option(fd_, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0); }

TcpListener::TcpListener(TcpListener&& other) noexcept
    : fd_(std::move(other.fd_)), address_(other.address_) {}

TcpListener& TcpListener::operator=(TcpListener&& other) noexcept {
    fd_ = std::move(other.fd_);
    address_ = other.address_;
    return *this;
}

Result<TcpListener> TcpListener::listen(std::string_view text, ListenOptions options) {
    const Result<HostPort> parts = HostPort::parse(text);
    if (!parts) return parts.error();
    if (const Result<SocketAddress> address = SocketAddress::parse(text)) return listen(*address, options);
    const Result<std::vector<SocketAddress>> addresses = resolve(parts->host, parts->port);
    if (!addresses) return addresses.error();
    return listen(addresses->front(), options);
}

Result<TcpListener> TcpListener::listen(const SocketAddress& address, ListenOptions options) {
    Result<Fd> fd = open_socket(address.family());
    if (!fd) return fd.error();
    set_option(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) set_option(*fd, SOL_SOCKET, SO_REUSEPORT, 1);
    // Connections inherit it, which spares a system call for each.
    set_option(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (::bind(fd->get(), address.data(), address.size()) != 0) return Error::from_errno(errno, "bind");
    if (::listen(fd->get(), options.backlog) != 0) return Error::from_errno(errno, "listen");
    const SocketAddress bound = name_of_socket(::getsockname, *fd);
    return TcpListener(std::move(*fd), bound);
}

Result<TcpStream> TcpListener::accept(Deadline deadline) {
    for (;;) {
        Result<Fd> fd = fd_.accept(deadline);
        if (fd) return TcpStream(std::move(*fd));
        switch (fd.error().number()) {
            // Errors of the connection in the queue, not of the listener (accept(2) lists them).
            case ECONNABORTED:
            case EPROTO:
            case ENETDOWN:
            case ENOPROTOOPT:
            case EHOSTDOWN:
            case ENONET:
            case EHOSTUNREACH:
            case ENETUNREACH:
                continue;
            case EMFILE:
            case ENFILE:
            case ENOBUFS:
            case ENOMEM:
                break;
            default:
                return fd.error();
        }
        const std::int64_t now = now_ns();
        std::int64_t warned = warned_ns_.load(std::memory_order_relaxed);
        if (now - warned > k_warn_interval_ns && warned_ns_.compare_exchange_strong(warned, now))
            warn("accept on port %u: no descriptors or memory left (errno %d); waiting", port(),
                 fd.error().number());
        if (deadline.has_passed()) return Error(Errc::timed_out, "accept");
        if (const Result<void> slept = sleep_for(k_backoff); !slept) return slept.error();
    }
}

}  // namespace reeve::net
