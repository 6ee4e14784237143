// Gateway: the routes of reeve-gateway on an http::Server.
//
//   POST /v1/chat/completions   streamed and plain     GET /v1/models, /v1/models/{id...}
//   GET  /healthz               counters               OPTIONS on any path, for browsers
//
// Idea. Each chat request runs on a fiber of its own, named after its answer's id, beside the fiber of its connection;
// see answer.hpp for how they share the work. Whoever leaves cancels: the connection's fiber, woken by the hang-up,
// cancels the request's fiber and joins it, so no request outlives its client, in whatever phase it is.
//
// add_routes() before Server::serve(); the gateway must outlive the server. Handlers park.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/gateway/answer.hpp"
#include "apps/gateway/chunks.hpp"
#include "apps/gateway/forward.hpp"
#include "apps/gateway/latency.hpp"
#include "apps/gateway/simulator.hpp"
#include "http/server.hpp"

namespace reeve::gateway {

// Chat requests. Each that is not refused ends as completed or as cancelled.
struct Counters {
    std::atomic<std::uint64_t> requests{0};   // begun
    std::atomic<std::uint64_t> completed{0};  // answered to the end, errors included
    std::atomic<std::uint64_t> cancelled{0};  // the client left before the end
    std::atomic<std::uint64_t> refused{0};    // not begun: malformed, unknown model
};

class Gateway {
public:
    // With a forwarder everything is passed on to its upstream, and the simulated model is unused.
    Gateway(std::uint64_t seed, const Profile& profile, std::unique_ptr<Forwarder> forwarder = nullptr);

    void add_routes(http::Server& server);

    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] std::vector<std::string> model_names() const;

private:
    // The headers every answer has; returns the id of the request.
    std::string begin(const http::Request& request, http::Response& response);
    void refuse(http::Response& response, const Problem& problem);

    void chat(http::Request& request, http::Response& response);
    void chat_simulated(http::Request& request, http::Response& response, const std::string& body,
                        std::int64_t started_ns);
    void chat_forwarded(http::Request& request, http::Response& response, std::string body,
                        const std::string& request_id, std::int64_t started_ns);
    template <class Produce>
    void run_chat(http::Response& response, const std::string& tag, std::int64_t started_ns, Produce&& produce);
    void list_models(http::Request& request, http::Response& response);
    void show_model(http::Request& request, http::Response& response);
    void show_health(http::Request& request, http::Response& response);
    void allow_origin(http::Request& request, http::Response& response);

    [[nodiscard]] std::string next_tag();  // 16 hexadecimal digits, never the same twice

    std::uint64_t tag_seed_;
    std::atomic<std::uint64_t> tags_{0};
    std::int64_t started_seconds_;
    Simulator simulator_;
    std::unique_ptr<Forwarder> forwarder_;
    Counters counters_;
};

}  // namespace reeve::gateway
