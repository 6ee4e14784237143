// Server: accepts connections and runs a handler for each request, every connection on a fiber of its own.
//
// Idea. A connection's fiber reads a head, runs the handler, writes the answer, and reads on: handlers are ordinary
// blocking code, requests of one connection are answered in order, and a request costs no fiber start. While a
// handler runs, the client's leaving cancels the fiber at its next wait (HangupWatch).
//
// Patterns: "/a/b" matches exactly, "/a/{name}" one segment, "/a/{name...}" the rest of the path (which may be empty).
// Among matching patterns, literal beats {name} beats {name...}, from the left. A GET handler also serves HEAD. OPTIONS
// is answered with Allow unless handled; a known path with another method gives 405. handle() only before serve().
//
// listen() and serve() may park and are for one fiber; stop() may be called from any fiber or thread, also several
// times. Errors of listen() are its result; if it was ignored, serve() reports it and returns it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "http/limits.hpp"
#include "http/message.hpp"
#include "net/tls.hpp"
#include "runtime/base/result.hpp"

namespace reeve::http {

struct ServerState;

// Runs on the connection's fiber; may park, throw, and be called by many fibers at once.
using Handler = std::function<void(Request&, Response&)>;

// A Result<void> that may be ignored: serve() repeats an error of listen().
struct Outcome : Result<void> {
    using Result<void>::Result;
    Outcome(Result<void> result) : Result<void>(result) {}
};

class Server {
public:
    explicit Server(Limits limits = {});
    ~Server();  // serve() must have returned
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    void handle(std::string_view method, std::string_view pattern, Handler handler);
    void handle(std::string_view pattern, Handler handler);  // every method

    // "127.0.0.1:8080", "[::1]:8080", ":8080"; port 0 takes a free one. May be called several times.
    Outcome listen(std::string_view address);
    Outcome listen_tls(std::string_view address, const net::TlsConfig& config);
    // Of the n-th listen(), in the host's byte order; 0 if there is none.
    [[nodiscard]] std::uint16_t port(std::size_t index = 0) const;

    // Until stop(), and until the connections have ended: requests in flight have Limits::drain_timeout, then are
    // cancelled.
    Outcome serve();
    // The same, and SIGTERM and SIGINT call stop(); a second signal ends the process at once. `ready` is called when
    // signals are caught: whoever waits for a program's first line before it sends one must not be too early.
    Outcome serve_until_signal(const std::function<void()>& ready = {});
    void stop();

    [[nodiscard]] std::size_t connections() const;  // open now
    [[nodiscard]] Limits& limits();                 // to be changed before serve() only

private:
    std::shared_ptr<ServerState> state_;
};

}  // namespace reeve::http
