#include "apps/starve/server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <string>

#include "http/http.hpp"
#include "runtime/runtime.hpp"

namespace reeve::starve {
namespace {

constexpr int k_start_timeout_ms = 5000;

// Modes that start all their hogs do so within a few milliseconds; the others never do.
constexpr int k_hogs_timeout_ms = 500;

void write_text(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t bytes = write(fd, text.data(), text.size());
        if (bytes < 0 && errno != EINTR) return;
        if (bytes > 0) text.remove_prefix(static_cast<std::size_t>(bytes));
    }
}

}  // namespace

void Reporter::listening(std::uint16_t port) const { write_text(fd_, std::to_string(port) + "\n"); }

void Reporter::hog_started() const { write_text(fd_, "h"); }

int serve_with_reeve(bool preemption, const HogKind& kind, const Reporter& reporter) {
    Config config = Config::from_env();
    config.workers = k_reeve_workers;
    config.preemption = preemption;
    return run(config, [&] {
        http::Server server;
        server.handle("GET", "/fast",
                      [](http::Request&, http::Response& response) { response.text(200, k_answer); });
        server.handle("GET", "/hog", [&](http::Request&, http::Response&) {
            reporter.hog_started();
            run_hog(kind);
        });
        if (const auto listening = server.listen("127.0.0.1:0"); !listening) {
            std::fprintf(stderr, "reeve-starve: %s\n", listening.error().text().c_str());
            return 1;
        }
        reporter.listening(server.port());
        (void)server.serve();
        return 1;
    });
}

ServerProcess::ServerProcess(Mode mode, const HogKind& kind) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
    const std::string fd = std::to_string(ends[1]);
    const pid_t parent = getpid();
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
        // Dies with us, whichever way that happens.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        fcntl(ends[1], F_SETFD, 0);
        execl("/proc/self/exe", "reeve-starve", "--serve", text_of(mode).word, kind.name, fd.c_str(),
              nullptr);
        _exit(127);
    }
    close(ends[1]);
    pipe_ = ends[0];
    std::string line;
    char c = 0;
    while (read_some(k_start_timeout_ms, &c) && c != '\n') line += c;
    if (c == '\n') std::from_chars(line.data(), line.data() + line.size(), port_);
}

ServerProcess::~ServerProcess() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (pipe_ >= 0) close(pipe_);
}

unsigned ServerProcess::wait_for_hogs(unsigned count) {
    char c = 0;
    while (hogs_started_ < count && read_some(k_hogs_timeout_ms, &c)) ++hogs_started_;
    return hogs_started_;
}

// One byte; false when none came in time or the server has ended.
bool ServerProcess::read_some(int timeout_ms, char* into) {
    pollfd descriptor{pipe_, POLLIN, 0};
    return poll(&descriptor, 1, timeout_ms) == 1 && read(pipe_, into, 1) == 1;
}

}  // namespace reeve::starve
