// Client::Pool: the idle connections of a client, by origin. Internal.
//
// Idea. A connection is either in the pool or owned by one exchange, so the lock covers moves of pointers only and is
// never held across a park. The most recently used is taken first; those that sat too long, or on which the other side
// has said anything (a close, mostly), are dropped when they are met.
//
// Any number of fibers. take() and put() do not park; open() does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/client.hpp"
#include "net/stream.hpp"
#include "runtime/mutex.hpp"

namespace reeve::http {

struct PooledConnection {
    std::unique_ptr<net::Stream> stream;
    std::int64_t idle_since_ns = 0;
};

struct Client::Pool {
    explicit Pool(ClientConfig with) : config(std::move(with)) {}

    // An idle connection that looks alive; none: null.
    std::unique_ptr<net::Stream> take(const std::string& origin);
    void put(const std::string& origin, std::unique_ptr<net::Stream> stream);
    Result<std::unique_ptr<net::Stream>> open(const Url& url, Deadline deadline);
    void clear();
    [[nodiscard]] std::size_t size();

    const ClientConfig config;

private:
    using Idle = std::unordered_map<std::string, std::vector<PooledConnection>>;

    Result<net::TlsConfig> tls_config();
    void drop_old(Idle& idle, std::vector<PooledConnection>& dropped);

    Mutex mutex_;
    Idle idle_;                      // under mutex_
    std::int64_t swept_ns_ = 0;      // under mutex_
    net::TlsConfig default_tls_;     // under mutex_; made when first needed, because it reads files
};

}  // namespace reeve::http
