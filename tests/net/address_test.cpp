#include "net/address.hpp"

#include "tests/support/catch.hpp"

using reeve::Errc;
using reeve::net::HostPort;
using reeve::net::SocketAddress;

TEST_CASE("address: texts that are host and port", "[address]") {
    struct Row {
        const char* text;
        const char* host;
        int port;
    };
    const Row rows[] = {
        {"localhost:80", "localhost", 80},
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"[::1]:0", "::1", 0},
        {":8080", "", 8080},
        {"a.b-c.example:65535", "a.b-c.example", 65535},
        {"[fe80::1%lo]:1", "fe80::1%lo", 1},
    };
    for (const Row& row : rows) {
        const auto parsed = HostPort::parse(row.text);
        INFO(row.text);
        REQUIRE(parsed);
        CHECK(parsed->host == row.host);
        CHECK(parsed->port == row.port);
        CHECK(parsed->text() == row.text);
    }
}

TEST_CASE("address: texts that are not host and port", "[address]") {
    for (const char* text :
         {"",          "localhost", "127.0.0.1", "::1:80", "::1",        "[::1]",  "[::1",   "[::1]80",
          "[::1]:",    "a:",        "a:b",       "a:-1",   "a:65536",    "a:080x", "a b:80", "a/b:80",
          "user@a:80", "[a]:80",    "a: 80",     "a:80 ",  "[[::1]]:80", "a\n:80", "[]:80"}) {
        INFO(text);
        const auto parsed = HostPort::parse(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == Errc::malformed);
    }
}

TEST_CASE("address: a missing port may have a default", "[address]") {
    CHECK(HostPort::parse("example.org", 443).value() == HostPort{"example.org", 443});
    CHECK(HostPort::parse("example.org:80", 443).value() == HostPort{"example.org", 80});
    CHECK(HostPort::parse("[::1]", 443).value() == HostPort{"::1", 443});
    CHECK_FALSE(HostPort::parse("", 443));
    CHECK_FALSE(HostPort::parse("::1", 443));
    CHECK_FALSE(HostPort::parse("a:", 443));
}

TEST_CASE("address: socket addresses are formatted as they are parsed", "[address]") {
    struct Row {
        const char* text;
        const char* formatted;
        bool is_ipv4;
        bool is_loopback;
    };
    const Row rows[] = {
        {"127.0.0.1:8080", "127.0.0.1:8080", true, true},
        {"localhost:80", "127.0.0.1:80", true, true},
        {":8080", "0.0.0.0:8080", true, false},
        {"[::1]:0", "[::1]:0", false, true},
        {"[0:0:0:0::1]:9", "[::1]:9", false, true},
        {"10.1.2.3:65535", "10.1.2.3:65535", true, false},
        {"[2001:db8::a]:1", "[2001:db8::a]:1", false, false},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto address = SocketAddress::parse(row.text);
        REQUIRE(address);
        CHECK(address->text() == row.formatted);
        CHECK(address->is_ipv4() == row.is_ipv4);
        CHECK(address->is_ipv6() == !row.is_ipv4);
        CHECK(address->is_loopback() == row.is_loopback);
        CHECK(SocketAddress::from_sockaddr(address->data(), address->size()) == *address);
    }
}

TEST_CASE("address: names are not socket addresses", "[address]") {
    CHECK(SocketAddress::parse("example.org:80").error() == Errc::not_found);
    CHECK(SocketAddress::parse("256.0.0.1:80").error() == Errc::not_found);
    CHECK(SocketAddress::parse("1.2.3:80").error() == Errc::not_found);
    CHECK(SocketAddress::parse("[::g]:80").error() == Errc::not_found);
    CHECK(SocketAddress::parse("1.2.3.4").error() == Errc::malformed);
}

TEST_CASE("address: the port can be changed and none is set at first", "[address]") {
    SocketAddress address = SocketAddress::parse("[::1]:0").value();
    address.set_port(4711);
    CHECK(address.port() == 4711);
    CHECK(address.text() == "[::1]:4711");
    CHECK(SocketAddress().text().empty());
    CHECK(SocketAddress().size() == 0);
}

TEST_CASE("address: what is an IP address", "[address]") {
    for (const char* text : {"1.2.3.4", "::1", "fe80::1%eth0", "::ffff:1.2.3.4"})
        CHECK(reeve::net::is_ip_address(text));
    for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4%eth0", "1.2.3.4.5", "a::g"})
        CHECK_FALSE(reeve::net::is_ip_address(text));
}
