// A server on a free loopback port for the length of a test, and a connection that speaks raw bytes to it.
//
// Both are for the body of a REEVE_TEST: they park. Waits are bounded, so a test that fails does not hang.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.hpp"
#include "net/tcp.hpp"
#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

namespace reeve::test {

inline constexpr std::chrono::seconds k_patience{20};

// A peer that writes what it is told and shows what comes.
class RawPeer {
public:
    explicit RawPeer(std::uint16_t port)
        : stream_(net::TcpStream::connect("127.0.0.1:" + std::to_string(port), k_patience).value()) {}
    explicit RawPeer(net::TcpStream stream) : stream_(std::move(stream)) {}

    bool send(std::string_view text) { return stream_.write_all(text, k_patience).result.has_value(); }
    void close() { stream_.close(); }
    void half_close() { (void)stream_.shutdown_write(k_patience); }

    // One message: the head, and as much as its Content-Length says.
    std::string read_message(bool has_body = true) {
        while (input_.find("\r\n\r\n") == std::string::npos)
            if (!more()) return take(input_.size());
        const std::size_t head = input_.find("\r\n\r\n") + 4;
        std::size_t length = 0;
        if (const std::size_t at = input_.find("Content-Length: "); has_body && at < head)
            length = std::stoul(input_.substr(at + 16));
        while (input_.size() < head + length)
            if (!more()) return take(input_.size());
        return take(head + length);
    }
    // Up to and including the text.
    std::string read_until(std::string_view text) {
        while (input_.find(text) == std::string::npos)
            if (!more()) return take(input_.size());
        return take(input_.find(text) + text.size());
    }
    // Until the peer closes (in whatever way).
    std::string read_all() {
        while (more()) {
        }
        return take(input_.size());
    }
    // Whether the peer has ended its stream, rather than reset it.
    [[nodiscard]] bool ended() const { return ended_; }

private:
    bool more() {
        char block[512];
        const auto got = stream_.read(std::as_writable_bytes(std::span(block)), k_patience);
        if (!got) {
            ended_ = got.error() == Errc::eof;
            return false;
        }
        input_.append(block, *got);
        return true;
    }
    std::string take(std::size_t count) {
        std::string out = input_.substr(0, count);
        input_.erase(0, count);
        return out;
    }

    net::TcpStream stream_;
    std::string input_;
    bool ended_ = false;
};

class TestServer {
public:
    template <class Setup>
    explicit TestServer(Setup setup, http::Limits limits = {}, const net::TlsConfig& tls = {}) : server_(limits) {
        setup(server_);
        const auto listening = tls ? server_.listen_tls("127.0.0.1:0", tls) : server_.listen("127.0.0.1:0");
        if (!listening) fatal("the test server cannot listen");
        start();
    }
    ~TestServer() { stop(); }

    // Idempotent; whether serve() returned without an error.
    bool stop() {
        server_.stop();
        if (serving_) outcome_ = serving_->join();
        serving_.reset();
        return outcome_;
    }
    [[nodiscard]] std::uint16_t port() const { return server_.port(); }
    [[nodiscard]] std::string url(std::string_view path) const {
        return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
    }
    [[nodiscard]] http::Server& server() { return server_; }
    [[nodiscard]] RawPeer connect() const { return RawPeer(port()); }
    // Sends one request on a new connection and returns what comes until the server closes it.
    [[nodiscard]] std::string exchange(std::string_view request) const {
        RawPeer peer = connect();
        peer.send(request);
        return peer.read_all();
    }

private:
    void start() {
        serving_.emplace(spawn([this] { return server_.serve().has_value(); }));
    }

    http::Server server_;
    std::optional<Join<bool>> serving_;
    bool outcome_ = false;
};

// A server that follows a script: it accepts connections one after another and hands each to the function.
class ScriptedServer {
public:
    template <class Script>
    explicit ScriptedServer(Script script)
        : listener_(net::TcpListener::listen("127.0.0.1:0").value()),
          serving_(spawn([this, script]() mutable {
              for (int n = 0;; ++n) {
                  auto stream = listener_.accept();
                  if (!stream) return;
                  RawPeer peer(std::move(*stream));
                  script(peer, n);
              }
          })) {}
    ~ScriptedServer() {
        listener_.close();
        serving_.cancel();
        serving_.join();
    }
    [[nodiscard]] std::string url(std::string_view path = "/") const {
        return "http://127.0.0.1:" + std::to_string(listener_.port()) + std::string(path);
    }

private:
    net::TcpListener listener_;
    Join<void> serving_;
};

}  // namespace reeve::test
