// The server in its three modes, as the child process runs it; and the parent's handle on that child.
//
// Idea. A wedged server can neither answer nor stop, so each runs in a process of its own, which is killed at
// the end. What the parent must know arrives over a pipe: the port once it listens, then one byte for each
// hog that has started.
//
// Routes: /fast answers 13 bytes; /hog never returns (see hogs.hpp).
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <string_view>

#include "apps/starve/hogs.hpp"
#include "apps/starve/results.hpp"

namespace reeve::starve {

constexpr std::string_view k_answer = "Hello, World!";

// The child's side: what it tells the parent.
class Reporter {
public:
    explicit Reporter(int fd) : fd_(fd) {}
    void listening(std::uint16_t port) const;
    void hog_started() const;

private:
    int fd_;
};

// Return only when the server could not start.
int serve_with_reeve(bool preemption, const HogKind& kind, const Reporter& reporter);
int serve_with_pool(const HogKind& kind, const Reporter& reporter);

// The parent's side. The destructor kills the server, whatever state it is in.
class ServerProcess {
public:
    ServerProcess(Mode mode, const HogKind& kind);
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    // 0 if the server did not come up.
    [[nodiscard]] std::uint16_t port() const { return port_; }

    // Waits until `count` hogs have started, but not for ever; returns how many have.
    [[nodiscard]] unsigned wait_for_hogs(unsigned count);

private:
    bool read_some(int timeout_ms, char* into);

    pid_t pid_ = -1;
    int pipe_ = -1;
    std::uint16_t port_ = 0;
    unsigned hogs_started_ = 0;
};

}  // namespace reeve::starve
