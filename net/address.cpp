#include "net/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

namespace reeve::net {

namespace {

constexpr Error k_no_port{Errc::malformed, "address: no port (expected host:port)"};
constexpr Error k_bad_port{Errc::malformed, "address: the port is not a number from 0 to 65535"};
constexpr Error k_bad_host{Errc::malformed, "address: malformed host"};
constexpr Error k_bare_ipv6{Errc::malformed, "address: an IPv6 address needs brackets ([::1]:80)"};
constexpr Error k_not_ip{Errc::not_found, "address: not an IP address"};

Result<std::uint16_t> parse_port(std::string_view digits) {
    std::uint16_t port = 0;
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, port);
    if (digits.empty() || stop != end || error != std::errc()) return k_bad_port;
    return port;
}

// What ends up in a sockaddr, a certificate check or a Host header must not smuggle in anything else.
bool is_host(std::string_view host) {
    for (const char byte : host)
        if (byte <= ' ' || byte == 0x7f || byte == '/' || byte == '@' || byte == '[' || byte == ']')
            return false;
    return host.size() <= 255;
}

Result<HostPort> parse_host_port(std::string_view text, const std::uint16_t* default_port) {
    std::string_view host = text;
    std::string_view port;
    bool has_port = false;
    if (!text.empty() && text.front() == '[') {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return k_bad_host;
        host = text.substr(1, close - 1);
        if (host.find(':') == std::string_view::npos) return k_bad_host;
        const std::string_view rest = text.substr(close + 1);
        has_port = !rest.empty();
        if (has_port && rest.front() != ':') return k_bad_host;
        if (has_port) port = rest.substr(1);
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        if (text.find(':', colon + 1) != std::string_view::npos) return k_bare_ipv6;
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        has_port = true;
    }
    if (!is_host(host)) return k_bad_host;
    if (!has_port) {
        if (!default_port) return k_no_port;
        if (host.empty()) return k_bad_host;
        return HostPort{std::string(host), *default_port};
    }
    const Result<std::uint16_t> number = parse_port(port);
    if (!number) return number.error();
    return HostPort{std::string(host), *number};
}

}  // namespace

Result<HostPort> HostPort::parse(std::string_view text) { return parse_host_port(text, nullptr); }

Result<HostPort> HostPort::parse(std::string_view text, std::uint16_t default_port) {
    return parse_host_port(text, &default_port);
}

std::string HostPort::text() const {
    const bool needs_brackets = host.find(':') != std::string::npos;
    std::string out = needs_brackets ? "[" + host + "]" : host;
    out += ':';
    out += std::to_string(port);
    return out;
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
    const Result<HostPort> parts = HostPort::parse(text);
    if (!parts) return parts.error();
    if (parts->host.empty()) return from_ip("0.0.0.0", parts->port);
    if (parts->host == "localhost") return from_ip("127.0.0.1", parts->port);
    return from_ip(parts->host, parts->port);
}

Result<SocketAddress> SocketAddress::from_ip(std::string_view ip, std::uint16_t port) {
    const std::size_t percent = ip.find('%');
    const std::string number(ip.substr(0, percent));  // inet_pton wants a terminated string
    SocketAddress address;
    sockaddr_in ipv4{};
    if (percent == std::string_view::npos && inet_pton(AF_INET, number.c_str(), &ipv4.sin_addr) == 1) {
        ipv4.sin_family = AF_INET;
        ipv4.sin_port = htons(port);
        std::memcpy(address.storage_, &ipv4, sizeof ipv4);
        address.size_ = sizeof ipv4;
        return address;
    }
    sockaddr_in6 ipv6{};
    static_assert(sizeof ipv6 == k_storage_bytes);
    if (inet_pton(AF_INET6, number.c_str(), &ipv6.sin6_addr) != 1) return k_not_ip;
    if (percent != std::string_view::npos) {
        const std::string scope(ip.substr(percent + 1));
        ipv6.sin6_scope_id = if_nametoindex(scope.c_str());
        if (ipv6.sin6_scope_id == 0)
            std::from_chars(scope.data(), scope.data() + scope.size(), ipv6.sin6_scope_id);
        if (ipv6.sin6_scope_id == 0)
            return Error(Errc::not_found, "address: unknown scope (network interface)");
    }
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    std::memcpy(address.storage_, &ipv6, sizeof ipv6);
    address.size_ = sizeof ipv6;
    return address;
}

SocketAddress SocketAddress::from_sockaddr(const sockaddr* from, std::size_t bytes) {
    SocketAddress address;
    const bool is_known =
        bytes >= sizeof(sockaddr_in) && (from->sa_family == AF_INET || from->sa_family == AF_INET6);
    if (is_known && bytes <= k_storage_bytes) {
        std::memcpy(address.storage_, from, bytes);
        address.size_ = static_cast<unsigned>(bytes);
    }
    return address;
}

int SocketAddress::family() const { return size_ == 0 ? AF_UNSPEC : data()->sa_family; }
bool SocketAddress::is_ipv4() const { return family() == AF_INET; }
bool SocketAddress::is_ipv6() const { return family() == AF_INET6; }

std::uint16_t SocketAddress::port() const {
    // sin_port and sin6_port are at the same place.
    sockaddr_in ipv4;
    std::memcpy(&ipv4, storage_, sizeof ipv4);
    return ntohs(ipv4.sin_port);
}

void SocketAddress::set_port(std::uint16_t port) {
    const std::uint16_t big_endian = htons(port);
    std::memcpy(storage_ + offsetof(sockaddr_in, sin_port), &big_endian, sizeof big_endian);
}

bool SocketAddress::is_loopback() const {
    if (is_ipv4()) return storage_[offsetof(sockaddr_in, sin_addr)] == 127;
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, storage_, sizeof ipv6);
    return is_ipv6() && IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}

std::string SocketAddress::ip_text() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (is_ipv4()) {
        inet_ntop(AF_INET, storage_ + offsetof(sockaddr_in, sin_addr), text, sizeof text);
        return text;
    }
    if (!is_ipv6()) return "";
    inet_ntop(AF_INET6, storage_ + offsetof(sockaddr_in6, sin6_addr), text, sizeof text);
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, storage_, sizeof ipv6);
    std::string out = text;
    if (ipv6.sin6_scope_id != 0) out += '%' + std::to_string(ipv6.sin6_scope_id);
    return out;
}

std::string SocketAddress::text() const {
    if (size_ == 0) return "";
    return HostPort{ip_text(), port()}.text();
}

bool is_ip_address(std::string_view host) {
    const std::string number(host.substr(0, host.find('%')));
    in6_addr address;
    if (inet_pton(AF_INET6, number.c_str(), &address) == 1) return true;
    return number.size() == host.size() && inet_pton(AF_INET, number.c_str(), &address) == 1;
}

}  // namespace reeve::net
