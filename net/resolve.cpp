#include "net/resolve.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "runtime/blocking.hpp"
#include "runtime/channel.hpp"
#include "runtime/go.hpp"

namespace reeve::net {

namespace {

using Addresses = std::vector<SocketAddress>;

Error error_of(int code, int number) {
    switch (code) {
        case EAI_NONAME:
        case EAI_NODATA:
        case EAI_ADDRFAMILY:
            return Error(Errc::not_found, "resolve: the name does not exist");
        case EAI_AGAIN:
            return Error(Errc::os, "resolve: the name server does not answer");
        case EAI_SYSTEM:
            return Error::from_errno(number, "resolve");
        case EAI_MEMORY:
            return Error(Errc::os, "resolve", ENOMEM);
        default:
            return Error(Errc::os, gai_strerror(code));  // a constant string
    }
}

// Blocks the OS thread.
Result<Addresses> ask(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    // No IPv6 addresses on a machine without IPv6: each would cost a failed connect.
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); code != 0)
        return error_of(code, errno);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
    Addresses addresses;
    for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
        SocketAddress address = SocketAddress::from_sockaddr(entry->ai_addr, entry->ai_addrlen);
        if (address.size() == 0) continue;
        address.set_port(port);
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
            addresses.push_back(address);
    }
    if (addresses.empty()) return Error(Errc::not_found, "resolve: the name has no IP address");
    return addresses;
}

}  // namespace

Result<Addresses> resolve(std::string_view host, std::uint16_t port, Deadline deadline) {
    if (Result<SocketAddress> address = SocketAddress::from_ip(host, port)) return Addresses{*address};
    if (host == "localhost")
        return Addresses{SocketAddress::from_ip("127.0.0.1", port).value(),
                         SocketAddress::from_ip("::1", port).value()};
    if (host.empty()) return Error(Errc::malformed, "resolve: empty name");
    if (deadline.has_passed()) return Error(Errc::timed_out, "resolve");
    // A plain thread may have no runtime to start a fiber in, and is free to block.
    if (this_fiber::id() == 0) return ask(std::string(host), port);
    // The channel is shared with the fiber that waits for the resolver, so that this one may leave first.
    Channel<Result<Addresses>> answer(1);
    go({.name = "resolve"}, [answer, name = std::string(host), port] {
        (void)answer.try_send(blocking([&] { return ask(name, port); }));
    });
    Result<Result<Addresses>> received = answer.recv(deadline);
    if (!received) return Error(received.error().code(), "resolve");
    return std::move(*received);
}

}  // namespace reeve::net
