// Client: sends /fast requests at a fixed rate, whatever the server does, and measures how long each took.
//
// Idea. Open loop: request i is due at start + i / rate and its latency counts from that instant, so a server
// that stalls cannot slow the client down and hide its stall. Each request has a connection of its own; none
// waits behind another. One plain OS thread with epoll, outside the process it measures, and nothing of the
// runtime; it asks the kernel to run before busy threads (real-time priority where that is permitted, else short
// slices), so that what is measured is the server.
//
// Calls block the calling thread; run_client for its seconds plus at most the timeout.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/starve/results.hpp"

namespace reeve::starve {

struct Load {
    std::uint16_t port = 0;
    unsigned rate = 200;
    double seconds = 4;
    std::int64_t timeout_ns = 2'000'000'000;
};

[[nodiscard]] Run run_client(const Load& load);

// Connections that ask for /hog and will never be answered.
class HogConnections {
public:
    HogConnections(std::uint16_t port, unsigned count);
    ~HogConnections();
    HogConnections(const HogConnections&) = delete;
    HogConnections& operator=(const HogConnections&) = delete;

private:
    std::vector<int> sockets_;
};

}  // namespace reeve::starve
