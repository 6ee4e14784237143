// Child: a program run beside the test, for crashes that must be seen from outside and for whole servers.
//
// Plain POSIX and blocking: for the test's own OS thread, never from a fiber. Every wait has a limit, after which the
// child is killed; the destructor kills and reaps whatever still runs. Output is collected from the moment of start.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace reeve::test {

struct ChildEnd {
    int exit_status = -1;    // of exit(); -1 when a signal ended it
    int signal = 0;          // that ended it, 0 if none
    bool timed_out = false;  // it was killed because the limit had passed
    std::string out;         // all of its standard output
    std::string err;         // all of its standard error
};

class Child {
public:
    using Limit = std::chrono::milliseconds;

    // argv[0] is the path of the program. `environment` holds NAME=VALUE to set besides what this process has.
    explicit Child(std::vector<std::string> argv, std::vector<std::string> environment = {});
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] const std::string& out() const { return end_.out; }
    [[nodiscard]] const std::string& err() const { return end_.err; }

    // Collects output until `text` has appeared on either stream; false when the child ended or the limit passed.
    bool wait_for_text(const std::string& text, Limit limit = std::chrono::seconds(20));
    void send_signal(int number) const;
    // Collects output until the child has ended; kills it when the limit passes.
    const ChildEnd& wait(Limit limit = std::chrono::seconds(60));

private:
    bool collect(std::chrono::steady_clock::time_point until);  // false: nothing more will come, or time is up

    pid_t pid_ = -1;
    int out_fd_ = -1;
    int err_fd_ = -1;
    bool has_ended_ = false;
    ChildEnd end_;
};

// Starts, waits, returns.
ChildEnd run_child(std::vector<std::string> argv, std::vector<std::string> environment = {},
                   Child::Limit limit = std::chrono::seconds(60));

// Paths in the build that this test program belongs to.
[[nodiscard]] std::string crash_program(const std::string& name);  // tests/crash/NAME.cpp
[[nodiscard]] std::string program(const std::string& name);        // bin/NAME

}  // namespace reeve::test
