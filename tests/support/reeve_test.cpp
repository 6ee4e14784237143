#include "tests/support/reeve_test.hpp"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"

namespace reeve::test {
namespace {

struct Failure {
    const char* file;
    int line;
    const char* expression;
};

// The first failures of a run are kept, all are counted. Fixed storage: a failing fiber must not wait for anything.
constexpr unsigned k_failures_kept = 32;
std::array<Failure, k_failures_kept> g_failures;
std::atomic<unsigned> g_failure_count{0};
std::atomic<unsigned> g_check_count{0};
std::atomic<unsigned> g_workers{0};
std::atomic<const char*> g_left_out{nullptr};

std::chrono::seconds time_limit() {
    if (const char* text = std::getenv("REEVE_TEST_TIMEOUT_S")) return std::chrono::seconds(std::atoi(text));
    return std::chrono::seconds(is_sanitized() ? 180 : 60);
}

// Ends the process when the run it watches does not end. A plain thread: it must work when no fiber does.
class Watchdog {
public:
    Watchdog() : thread_([this] { watch(); }) {}
    ~Watchdog() {
        {
            const std::lock_guard guard(mutex_);
            done_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

private:
    void watch() {
        std::unique_lock lock(mutex_);
        // Second by second: a time in which the whole process was stopped is no time in which it hung.
        for (auto left = time_limit(); left.count() > 0; --left)
            if (changed_.wait_for(lock, std::chrono::seconds(1), [this] { return done_; })) return;
        std::fprintf(stderr, "test: no end after %lld s with %u workers; all fibers follow\n",
                     static_cast<long long>(time_limit().count()), g_workers.load());
        ::alarm(20);  // in case the dump hangs, too
        reeve::dump(STDERR_FILENO);
        ::_exit(3);
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread thread_;
};

std::vector<std::string> open_descriptors() {
    std::vector<std::string> found;
    DIR* folder = ::opendir("/proc/self/fd");
    if (!folder) return found;
    while (const dirent* entry = ::readdir(folder)) {
        if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == ::dirfd(folder)) continue;
        const std::string path = std::string("/proc/self/fd/") + entry->d_name;
        std::array<char, 256> target{};
        const ssize_t length = ::readlink(path.c_str(), target.data(), target.size() - 1);
        found.push_back(std::string(entry->d_name) + " -> " + (length > 0 ? target.data() : "?"));
    }
    ::closedir(folder);
    return found;
}

void run_once(const std::function<void()>& body, const Config& config) {
    g_failure_count = 0;
    g_check_count = 0;
    g_left_out = nullptr;
    g_workers = config.workers;
    std::string thrown;
    const std::vector<std::string> before = open_descriptors();
    {
        const Watchdog watchdog;
        reeve::run(config, [&] {
            try {
                body();
            } catch (const std::exception& exception) {
                thrown = exception.what();
                if (thrown.empty()) thrown = "an exception without a text";
            }
        });
    }
    const std::vector<std::string> after = open_descriptors();

    INFO("with " << config.workers << " workers");
    if (!thrown.empty()) FAIL_CHECK("the body threw: " << thrown);
    const unsigned failures = g_failure_count;
    for (unsigned i = 0; i < failures && i < k_failures_kept; ++i) {
        const Failure& failure = g_failures[i];
        FAIL_CHECK(failure.file << ":" << failure.line << ": expected " << failure.expression);
    }
    if (failures > k_failures_kept) FAIL_CHECK(failures - k_failures_kept << " more failures");
    if (after.size() != before.size()) {
        std::string list;
        for (const std::string& descriptor : after) list += "\n  " + descriptor;
        FAIL_CHECK("descriptors leaked: " << before.size() << " before, now" << list);
    }
    const char* left_out = g_left_out;
    if (left_out) WARN("left out: " << left_out);
    if (!left_out || g_check_count > 0u) CHECK(g_check_count > 0u);  // a test that checks nothing shows nothing
}

}  // namespace

bool expect(bool holds, const char* file, int line, const char* expression) {
    g_check_count.fetch_add(1, std::memory_order_relaxed);
    if (holds) return true;
    const unsigned index = g_failure_count.fetch_add(1, std::memory_order_acq_rel);
    if (index < k_failures_kept) g_failures[index] = Failure{file, line, expression};
    return false;
}

void leave_out(const char* reason) {
    g_left_out = reason;
}

unsigned workers() {
    return g_workers;
}

void run_everywhere(const std::function<void()>& body, const std::function<void(Config&)>& adjust) {
    std::vector<unsigned> counts{1, 2, 4};
    if (const char* text = std::getenv("REEVE_TEST_WORKERS")) counts = {static_cast<unsigned>(std::atoi(text))};
    for (const unsigned count : counts) {
        Config config = Config::from_env();
        config.workers = count;
        if (adjust) adjust(config);
        run_once(body, config);
    }
}

}  // namespace reeve::test
