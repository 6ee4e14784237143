#include "http/pool.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <mutex>

#include "net/tcp.hpp"
#include "runtime/blocking.hpp"
#include "runtime/fd.hpp"

namespace reeve::http {

static constexpr std::int64_t k_sweep_interval_ns = 1'000'000'000;

// Nothing may arrive on an idle connection: bytes, an end or an error all mean that it is of no use.
static bool is_alive(net::Stream& stream) {
    const Fd* socket = stream.socket();
    if (!socket) return true;
    char byte = 0;
    return ::recv(socket->get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void Client::Pool::drop_old(Idle& idle, std::vector<PooledConnection>& dropped) {
    const std::int64_t now = now_ns();
    const std::int64_t oldest = now - config.idle_connection_lifetime.count();
    if (now - swept_ns_ < k_sweep_interval_ns) return;
    swept_ns_ = now;
    for (auto origin = idle.begin(); origin != idle.end();) {
        auto& connections = origin->second;
        std::size_t old = 0;  // the oldest come first
        while (old < connections.size() && connections[old].idle_since_ns < oldest) ++old;
        for (std::size_t i = 0; i < old; ++i) dropped.push_back(std::move(connections[i]));
        connections.erase(connections.begin(), connections.begin() + static_cast<std::ptrdiff_t>(old));
        origin = connections.empty() ? idle.erase(origin) : std::next(origin);
    }
}

std::unique_ptr<net::Stream> Client::Pool::take(const std::string& origin) {
    const std::int64_t oldest = now_ns() - config.idle_connection_lifetime.count();
    for (;;) {
        PooledConnection found;
        {
            const std::unique_lock lock(mutex_);
            const auto known = idle_.find(origin);
            if (known == idle_.end() || known->second.empty()) return nullptr;
            found = std::move(known->second.back());
            known->second.pop_back();
        }
        if (found.idle_since_ns >= oldest && is_alive(*found.stream)) return std::move(found.stream);
    }
}

void Client::Pool::put(const std::string& origin, std::unique_ptr<net::Stream> stream) {
    std::vector<PooledConnection> dropped;  // closed after the lock is released
    const std::unique_lock lock(mutex_);
    drop_old(idle_, dropped);
    auto& connections = idle_[origin];
    if (connections.size() >= config.idle_connections_per_origin) {
        dropped.push_back({std::move(stream), 0});
        return;
    }
    connections.push_back({std::move(stream), now_ns()});
}

void Client::Pool::clear() {
    Idle all;
    const std::unique_lock lock(mutex_);
    std::swap(all, idle_);
}

std::size_t Client::Pool::size() {
    const std::unique_lock lock(mutex_);
    std::size_t count = 0;
    for (const auto& [origin, connections] : idle_) count += connections.size();
    return count;
}

Result<net::TlsConfig> Client::Pool::tls_config() {
    if (config.tls) return config.tls;
    {
        const std::unique_lock lock(mutex_);
        if (default_tls_) return default_tls_;
    }
    Result<net::TlsConfig> made = blocking([] { return net::TlsConfig::client(); });
    if (!made) return made;
    const std::unique_lock lock(mutex_);
    if (!default_tls_) default_tls_ = *made;
    return default_tls_;
}

Result<std::unique_ptr<net::Stream>> Client::Pool::open(const Url& url, Deadline deadline) {
    const net::HostPort address{url.host, url.port};
    auto tcp = net::TcpStream::connect(address.text(), deadline.or_sooner(config.connect_timeout));
    if (!tcp) return tcp.error();
    std::unique_ptr<net::Stream> stream = std::make_unique<net::TcpStream>(std::move(*tcp));
    if (url.scheme == "http") return stream;
    const Result<net::TlsConfig> tls = tls_config();
    if (!tls) return tls.error();
    auto secure = std::make_unique<net::TlsStream>(std::move(stream), *tls);
    const auto done = secure->handshake_client(url.host, deadline.or_sooner(config.tls_handshake_timeout));
    if (!done) return done.error();
    return std::unique_ptr<net::Stream>(std::move(secure));
}

}  // namespace reeve::http
