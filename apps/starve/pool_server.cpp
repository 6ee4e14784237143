// The worker pool: what PHP-FPM does. Each of a few threads takes one connection, reads one request, answers
// it, and only then takes the next. No fibers, no runtime; a request that does not end costs one worker for
// good.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "apps/starve/server.hpp"

namespace reeve::starve {
namespace {

// Enough for every request of a run to wait in the kernel.
constexpr int k_backlog = 4096;

constexpr std::size_t k_head_bytes_max = 8192;

int listen_on_free_port(std::uint16_t& port) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener, k_backlog) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes) != 0)
        return -1;
    port = ntohs(address.sin_port);
    return listener;
}

// The head of one request; empty if the client left first.
std::string read_head(int connection) {
    std::string head;
    std::array<char, 1024> piece;
    while (head.find("\r\n\r\n") == std::string::npos && head.size() < k_head_bytes_max) {
        const ssize_t bytes = read(connection, piece.data(), piece.size());
        if (bytes <= 0) return {};
        head.append(piece.data(), static_cast<std::size_t>(bytes));
    }
    return head;
}

void answer(int connection, const HogKind& kind, const Reporter& reporter) {
    const std::string head = read_head(connection);
    if (head.starts_with("GET /hog ")) {
        reporter.hog_started();
        run_hog(kind);
    }
    const bool is_fast = head.starts_with("GET /fast ");
    const std::string body(is_fast ? k_answer : "not found");
    const std::string text = std::string(is_fast ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found") +
                             "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body;
    (void)send(connection, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace

int serve_with_pool(const HogKind& kind, const Reporter& reporter) {
    std::uint16_t port = 0;
    const int listener = listen_on_free_port(port);
    if (listener < 0) return 1;
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < k_pool_workers; ++i) {
        workers.emplace_back([&] {
            for (;;) {
                const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                if (connection < 0) continue;
                answer(connection, kind, reporter);
                close(connection);
            }
        });
    }
    reporter.listening(port);
    return 0;  // after the workers, that is never
}

}  // namespace reeve::starve
