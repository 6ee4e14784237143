// HostPort and SocketAddress: where a peer is, as text and as the kernel wants it.
//
// A HostPort is what a person writes ("localhost:80"); a SocketAddress is an IPv4 or IPv6 address with a
// port, no name left in it. resolve() (net/resolve.hpp) leads from one to the other. Both are values; nothing
// here parks. Any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"

struct sockaddr;

namespace reeve::net {

struct HostPort {
    std::string host;  // no brackets; empty when the text was ":8080"
    std::uint16_t port = 0;

    // "host:port", "1.2.3.4:5", "[::1]:5", ":5". A bare IPv6 address is refused: its port is a guess.
    static Result<HostPort> parse(std::string_view text);
    // For texts in which the port may be missing ("example.org", "[::1]").
    static Result<HostPort> parse(std::string_view text, std::uint16_t default_port);

    [[nodiscard]] std::string text() const;  // brackets where they are needed

    friend bool operator==(const HostPort&, const HostPort&) = default;
};

class SocketAddress {
public:
    SocketAddress() = default;  // of no family: the only thing to do with it is to assign another

    // As HostPort::parse, the host being an IP address, "localhost" (127.0.0.1) or empty (0.0.0.0). Names
    // that need a question to the network are Errc::not_found here.
    static Result<SocketAddress> parse(std::string_view text);
    // An IP address without a port; also with a scope ("fe80::1%eth0").
    static Result<SocketAddress> from_ip(std::string_view ip, std::uint16_t port);
    static SocketAddress from_sockaddr(const sockaddr* address, std::size_t bytes);

    [[nodiscard]] std::string text() const;     // "127.0.0.1:8080", "[::1]:8080"
    [[nodiscard]] std::string ip_text() const;  // "127.0.0.1", "::1"
    [[nodiscard]] std::uint16_t port() const;
    void set_port(std::uint16_t port);

    [[nodiscard]] bool is_ipv4() const;
    [[nodiscard]] bool is_ipv6() const;
    [[nodiscard]] bool is_loopback() const;

    [[nodiscard]] const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(storage_); }
    [[nodiscard]] unsigned size() const { return size_; }
    [[nodiscard]] int family() const;

    friend bool operator==(const SocketAddress& left, const SocketAddress& right) {
        return left.text() == right.text();
    }

private:
    static constexpr std::size_t k_storage_bytes = 28;  // sockaddr_in6, the larger of the two

    alignas(8) unsigned char storage_[k_storage_bytes] = {};
    unsigned size_ = 0;
};

// True for "1.2.3.4" and "::1", with or without a scope; false for names.
[[nodiscard]] bool is_ip_address(std::string_view host);

}  // namespace reeve::net
