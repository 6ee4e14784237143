#include "apps/starve/client.hpp"

#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>

#include "apps/starve/server.hpp"
#include "runtime/base/time.hpp"

namespace reeve::starve {
namespace {

constexpr std::int64_t k_ns_per_s = 1'000'000'000;

constexpr std::string_view k_fast = "GET /fast HTTP/1.1\r\nHost: starve\r\nConnection: close\r\n\r\n";
constexpr std::string_view k_hog = "GET /hog HTTP/1.1\r\nHost: starve\r\nConnection: close\r\n\r\n";

// How much of the answer is kept: its end is what counts.
constexpr std::size_t k_answer_bytes_max = 1024;

// Starts a connection; -1 when even that fails.
int start_connection(std::uint16_t port, int flags) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) return -1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

struct Exchange {
    std::int64_t due_ns = 0;
    std::int64_t latency_ns = -1;  // of an answer that came
    int fd = -1;
    bool is_open = false;
    bool is_sent = false;
    std::string answer;
};

class Client {
public:
    explicit Client(const Load& load)
        : load_(load),
          exchanges_(static_cast<std::size_t>(std::max(1.0, load.rate * load.seconds))),
          epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
    ~Client() { close(epoll_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    Run run();

private:
    void start(std::size_t index);
    void advance(std::size_t index);
    void end(Exchange& exchange);
    void wait_until(std::int64_t instant_ns);
    [[nodiscard]] Run summary();

    Load load_;
    std::vector<Exchange> exchanges_;
    int epoll_;
    unsigned errors_ = 0;
    unsigned timeouts_ = 0;
};

Run Client::run() {
    const std::int64_t start_ns = now_ns() + 1'000'000;
    for (std::size_t i = 0; i < exchanges_.size(); ++i)
        exchanges_[i].due_ns = start_ns + static_cast<std::int64_t>(i) * k_ns_per_s / load_.rate;
    std::size_t next = 0;
    std::size_t oldest = 0;
    while (next < exchanges_.size() || oldest < next) {
        const std::int64_t now = now_ns();
        while (next < exchanges_.size() && exchanges_[next].due_ns <= now) start(next++);
        for (; oldest < next; ++oldest) {
            Exchange& exchange = exchanges_[oldest];
            if (exchange.is_open && exchange.due_ns + load_.timeout_ns > now) break;
            if (exchange.is_open) {
                ++timeouts_;
                end(exchange);
            }
        }
        std::int64_t until = now + k_ns_per_s;
        if (next < exchanges_.size()) until = std::min(until, exchanges_[next].due_ns);
        if (oldest < next) until = std::min(until, exchanges_[oldest].due_ns + load_.timeout_ns);
        if (next < exchanges_.size() || oldest < next) wait_until(until);
    }
    return summary();
}

void Client::start(std::size_t index) {
    Exchange& exchange = exchanges_[index];
    exchange.fd = start_connection(load_.port, SOCK_NONBLOCK);
    if (exchange.fd < 0) {
        ++errors_;
        return;
    }
    exchange.is_open = true;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, exchange.fd, &event);
}

void Client::wait_until(std::int64_t instant_ns) {
    const std::int64_t left = std::max<std::int64_t>(instant_ns - now_ns(), 0);
    const timespec timeout{left / k_ns_per_s, left % k_ns_per_s};
    std::array<epoll_event, 64> events;
    const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    for (int i = 0; i < count; ++i) advance(events[static_cast<std::size_t>(i)].data.u64);
}

void Client::advance(std::size_t index) {
    Exchange& exchange = exchanges_[index];
    if (!exchange.is_open) return;
    if (!exchange.is_sent) {
        const ssize_t sent = send(exchange.fd, k_fast.data(), k_fast.size(), MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
        exchange.is_sent = sent == static_cast<ssize_t>(k_fast.size());
        if (!exchange.is_sent) {
            ++errors_;
            end(exchange);
            return;
        }
    }
    for (;;) {
        std::array<char, 512> piece;
        const ssize_t bytes = recv(exchange.fd, piece.data(), piece.size(), 0);
        if (bytes < 0 && errno == EAGAIN) return;
        if (bytes > 0) exchange.answer.append(piece.data(), static_cast<std::size_t>(bytes));
        const bool is_whole =
            exchange.answer.starts_with("HTTP/1.1 200") && exchange.answer.ends_with(k_answer);
        if (is_whole) exchange.latency_ns = now_ns() - exchange.due_ns;
        if (!is_whole && bytes > 0 && exchange.answer.size() < k_answer_bytes_max) continue;
        if (!is_whole) ++errors_;
        end(exchange);
        return;
    }
}

void Client::end(Exchange& exchange) {
    close(exchange.fd);
    exchange.is_open = false;
    exchange.answer = {};
}

Run Client::summary() {
    std::vector<std::int64_t> latencies;
    for (const Exchange& exchange : exchanges_)
        latencies.push_back(exchange.latency_ns < 0 ? load_.timeout_ns : exchange.latency_ns);
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](double share) {
        const double rank = std::ceil(share * static_cast<double>(latencies.size()));
        return latencies[std::max<std::size_t>(static_cast<std::size_t>(rank), 1) - 1];
    };
    Run run;
    run.requests = static_cast<unsigned>(latencies.size());
    run.timeouts = timeouts_;
    run.errors = errors_;
    run.p50_ns = at(0.50);
    run.p99_ns = at(0.99);
    run.max_ns = latencies.back();
    return run;
}

void prepare_thread() {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    // Nothing of the servers' may delay the measurement. What this thread starts does not inherit it.
    sched_param parameters{};
    parameters.sched_priority = 1;
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0) return;
    // Linux 6.12 grants short slices, and with them early wake-ups, to whoever asks; before, nothing happens.
    // The C library has no name for this.
    struct {
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime, deadline, period;
    } attributes{};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = 100'000;
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

Run run_client(const Load& load) {
    // A thread of its own: what it asks the kernel for must not be inherited by the servers that are started
    // next.
    Run run;
    std::jthread([&] {
        prepare_thread();
        run = Client(load).run();
    }).join();
    return run;
}

HogConnections::HogConnections(std::uint16_t port, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        const int fd = start_connection(port, 0);
        if (fd < 0) continue;
        sockets_.push_back(fd);
        (void)send(fd, k_hog.data(), k_hog.size(), MSG_NOSIGNAL);
    }
}

HogConnections::~HogConnections() {
    for (const int fd : sockets_) close(fd);
}

}  // namespace reeve::starve
