#include "tests/support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace reeve::test {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
    std::vector<std::string> all = changes;
    for (char** entry = environ; *entry; ++entry) {
        const std::string text = *entry;
        const std::string name = text.substr(0, text.find('=') + 1);
        if (std::none_of(changes.begin(), changes.end(), [&](const auto& c) { return c.starts_with(name); }))
            all.push_back(text);
    }
    return all;
}

// Appends what is there; closes and returns false at the end of the stream.
bool drain(int& fd, std::string& into) {
    std::array<char, 4096> bytes;
    const ssize_t count = ::read(fd, bytes.data(), bytes.size());
    if (count > 0) {
        into.append(bytes.data(), static_cast<std::size_t>(count));
        return true;
    }
    ::close(fd);
    fd = -1;
    return false;
}

std::string build_folder() {
    std::array<char, 4096> path{};
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
    const std::string self(path.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    return self.substr(0, self.rfind("/tests/"));  // BUILD/tests/test-LAYER
}

}  // namespace

Child::Child(std::vector<std::string> argv, std::vector<std::string> environment) {
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0)
        throw std::runtime_error("child: no pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    // A server started by a test must not inherit the test's own dispositions (SIGPIPE is ignored there).
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t defaults;
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

    std::vector<std::string> all = environment_with(environment);
    const int error = ::posix_spawn(&pid_, argv.at(0).c_str(), &actions, &attributes, pointers_to(argv).data(),
                                    pointers_to(all).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    ::close(err[1]);
    out_fd_ = out[0];
    err_fd_ = err[0];
    if (error != 0) {
        ::close(out_fd_);
        ::close(err_fd_);
        throw std::runtime_error("child: cannot start " + argv[0] + ": " + std::strerror(error));
    }
}

Child::~Child() {
    if (!has_ended_) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    if (out_fd_ >= 0) ::close(out_fd_);
    if (err_fd_ >= 0) ::close(err_fd_);
}

bool Child::collect(Clock::time_point until) {
    std::array<pollfd, 2> polled{pollfd{out_fd_, POLLIN, 0}, pollfd{err_fd_, POLLIN, 0}};
    if (out_fd_ < 0 && err_fd_ < 0) return false;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0 || ::poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) return false;
    if (polled[0].revents) drain(out_fd_, end_.out);
    if (polled[1].revents) drain(err_fd_, end_.err);
    return true;
}

bool Child::wait_for_text(const std::string& text, Limit limit) {
    const auto until = Clock::now() + limit;
    for (;;) {
        if (end_.out.find(text) != std::string::npos || end_.err.find(text) != std::string::npos) return true;
        if (!collect(until)) return false;
    }
}

void Child::send_signal(int number) const {
    if (!has_ended_) ::kill(pid_, number);
}

const ChildEnd& Child::wait(Limit limit) {
    if (has_ended_) return end_;
    const auto until = Clock::now() + limit;
    while (collect(until)) {
    }
    // Both streams at their end means the child is ending, unless it closed them itself or a grandchild holds them.
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (ended == 0) {
        end_.timed_out = true;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status, 0);
        const auto rest = Clock::now() + std::chrono::milliseconds(200);
        while (collect(rest)) {
        }
    }
    has_ended_ = true;
    if (WIFEXITED(status)) end_.exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end_.signal = WTERMSIG(status);
    return end_;
}

ChildEnd run_child(std::vector<std::string> argv, std::vector<std::string> environment, Child::Limit limit) {
    Child child(std::move(argv), std::move(environment));
    return child.wait(limit);
}

std::string crash_program(const std::string& name) {
    return build_folder() + "/tests/crash-" + name;
}

std::string program(const std::string& name) {
    return build_folder() + "/bin/" + name;
}

}  // namespace reeve::test
