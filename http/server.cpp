#include "http/server.hpp"

#include <mutex>
#include <vector>

#include "http/server_state.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/go.hpp"

namespace reeve::http {

// What cancelled handlers get to unwind, after the drain.
static constexpr Duration k_cancel_time = std::chrono::seconds(5);

void ServerState::add(Connection& connection) {
    connection.next = first;
    connection.previous = nullptr;
    if (first) first->previous = &connection;
    first = &connection;
    ++count;
}

void ServerState::remove(Connection& connection) {
    const std::unique_lock lock(mutex);
    (connection.previous ? connection.previous->next : first) = connection.next;
    if (connection.next) connection.next->previous = connection.previous;
    --count;
    connection.join->detach();
    if (waiters > 0) changed.notify_all();
}

Server::Server(Limits limits) : state_(std::make_shared<ServerState>()) { state_->limits = limits; }
Server::~Server() = default;

void Server::handle(std::string_view method, std::string_view pattern, Handler handler) {
    state_->router.add(method, pattern, std::move(handler));
}

void Server::handle(std::string_view pattern, Handler handler) { handle({}, pattern, std::move(handler)); }

Outcome Server::listen(std::string_view address) {
    auto listener = net::TcpListener::listen(address);
    if (!listener) {
        state_->listen_error = listener.error();
        return listener.error();
    }
    state_->listeners.push_back({std::move(*listener), std::nullopt});
    return {};
}

Outcome Server::listen_tls(std::string_view address, const net::TlsConfig& config) {
    const Outcome listening = listen(address);
    if (listening) state_->listeners.back().tls = config;
    return listening;
}

std::uint16_t Server::port(std::size_t index) const {
    return index < state_->listeners.size() ? state_->listeners[index].tcp.port() : std::uint16_t{0};
}

Limits& Server::limits() { return state_->limits; }

std::size_t Server::connections() const {
    const std::unique_lock lock(state_->mutex);
    return state_->count;
}

// Waits while the server is full; false: it is stopping.
static bool wait_for_room(ServerState& state) {
    std::unique_lock lock(state.mutex);
    ++state.waiters;
    const Result<void> waited = state.changed.wait(
        lock, [&] { return state.count < state.limits.connections || state.stopping.load(); });
    --state.waiters;
    return waited.has_value() && !state.stopping.load();
}

// Takes the connection off the list, also when memory runs out in the middle of serving it.
struct Leave {
    ServerState& state;
    Connection& connection;
    ~Leave() { state.remove(connection); }
};

static void accept_all(const std::shared_ptr<ServerState>& state, ServerState::Listener& listener) {
    const net::TlsConfig* tls = listener.tls ? &*listener.tls : nullptr;
    const FiberOptions options{.name = tls ? "https connection" : "http connection"};
    while (wait_for_room(*state)) {
        auto stream = listener.tcp.accept();
        if (!stream) {
            const Error error = stream.error();
            if (error == Errc::closed || error == Errc::cancelled) return;
            warn("http: %s", error.text().c_str());
            return;
        }
        auto connection = std::make_unique<Connection>(state, std::move(*stream), tls);
        Connection& shown = *connection;
        // The fiber may end before spawn() returns; its remove() waits for this lock, so the Join is in its place.
        const std::unique_lock lock(state->mutex);
        if (state->stopping.load()) return;
        state->add(shown);
        shown.join.emplace(spawn(options, [state, connection = std::move(connection)] {
            const Leave leave{*state, *connection};
            connection->serve();
        }));
    }
}

void Server::stop() {
    ServerState& state = *state_;
    if (state.stopping.exchange(true)) return;
    for (ServerState::Listener& listener : state.listeners) listener.tcp.close();
    const std::unique_lock lock(state.mutex);
    for (Connection* connection = state.first; connection; connection = connection->next)
        connection->close_if_idle();
    state.changed.notify_all();
}

// Waits until no connection is left; false: the time passed first.
static bool drain(ServerState& state, Duration time) {
    std::unique_lock lock(state.mutex);
    ++state.waiters;
    const bool drained = state.changed.wait(lock, [&] { return state.count == 0; }, time).has_value();
    --state.waiters;
    return drained;
}

Outcome Server::serve() {
    ServerState& state = *state_;
    if (state.listen_error) {
        warn("http: cannot listen: %s", state.listen_error->text().c_str());
        return *state.listen_error;
    }
    {
        // 1. Accept, until the listeners are closed or this fiber is cancelled (which joining passes on).
        std::vector<Join<void>> acceptors;
        for (ServerState::Listener& listener : state.listeners)
            acceptors.push_back(spawn(FiberOptions{.name = "http accept"},
                                      [state = state_, &listener] { accept_all(state, listener); }));
    }
    // 2. Nothing is accepted any more. Idle connections are closed, also those that became idle meanwhile.
    stop();
    // 3. Requests in flight get their time, then they are cancelled.
    if (drain(state, state.limits.drain_timeout)) return {};
    {
        const std::unique_lock lock(state.mutex);
        for (Connection* connection = state.first; connection; connection = connection->next)
            connection->join->cancel();
    }
    if (drain(state, k_cancel_time)) return {};
    if (this_fiber::is_cancelled()) return Error(Errc::cancelled, "serve");
    warn("http: %zu handlers still run after being cancelled", connections());
    return Error(Errc::timed_out, "serve");
}

}  // namespace reeve::http
