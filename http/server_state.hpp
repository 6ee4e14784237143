// ServerState: what a server and its connections share. Internal.
//
// Held by shared_ptr, because a handler that outlives even the drain (it never waits, so it cannot be cancelled) must
// not find it gone. `connections` and `count` are guarded by `mutex`; limits and routes are fixed once serve() runs.
#pragma once

#include <atomic>
#include <deque>
#include <optional>

#include "http/connection.hpp"
#include "http/limits.hpp"
#include "http/router.hpp"
#include "net/tcp.hpp"
#include "net/tls.hpp"
#include "runtime/condition.hpp"
#include "runtime/mutex.hpp"

namespace reeve::http {

struct ServerState {
    struct Listener {
        net::TcpListener tcp;
        std::optional<net::TlsConfig> tls;
    };

    Limits limits;
    Router router;
    std::deque<Listener> listeners;  // a deque: listeners do not move
    std::optional<Error> listen_error;

    std::atomic<bool> stopping{false};  // set once by stop(); read by every connection before it waits

    Mutex mutex;
    Condition changed;  // a connection has ended while somebody waits for that (under mutex)
    Connection* first = nullptr;
    std::size_t count = 0;
    std::size_t waiters = 0;  // on `changed`

    void add(Connection& connection);     // lock held: mutex
    void remove(Connection& connection);  // takes the lock; detaches the fiber's Join
};

}  // namespace reeve::http
