#include "runtime/config.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/assert.hpp"

namespace reeve {
namespace {

// Sets `value` from the variable when it is a number within the limits.
template <class T>
bool read_number(const char* name, T& value, T least, T most) {
    const char* text = getenv(name);
    if (!text || !*text) return false;
    T number{};
    const char* end = text + strlen(text);
    const auto [stop, error] = std::from_chars(text, end, number);
    if (error != std::errc() || stop != end || number < least || number > most) {
        warn("%s=%s is ignored: a number from %s to %s is wanted", name, text, std::to_string(least).c_str(),
             std::to_string(most).c_str());
        return false;
    }
    value = number;
    return true;
}

// Sets `value` to what the variable names.
template <class T>
void read_word(const char* name, T& value, std::initializer_list<std::pair<std::string_view, T>> words) {
    const char* text = getenv(name);
    if (!text || !*text) return;
    std::string wanted;
    for (const auto& [word, meaning] : words) {
        if (word == text) {
            value = meaning;
            return;
        }
        wanted.append(wanted.empty() ? "" : ", ").append(word);
    }
    warn("%s=%s is ignored: one of these is wanted: %s", name, text, wanted.c_str());
}

}  // namespace

bool Config::has_asserts() {
#ifdef NDEBUG
    return false;
#else
    return true;
#endif
}

Config Config::from_env() {
    Config config;
    read_number("REEVE_WORKERS", config.workers, 1U, 1024U);
    read_number("REEVE_MAX_THREADS", config.max_threads, 4U, 1'000'000U);
    long long number = 0;
    if (read_number("REEVE_QUANTUM_US", number, 20LL, 10'000'000LL)) config.quantum = std::chrono::microseconds(number);
    if (read_number("REEVE_STACK_KB", number, 16LL, 1'048'576LL)) config.stack_bytes = static_cast<std::size_t>(number) * 1024;
    if (read_number("REEVE_SCHEDTRACE", number, 1LL, 3'600'000LL)) config.schedtrace = std::chrono::milliseconds(number);
    read_word("REEVE_PREEMPTION", config.preemption, {{"on", true}, {"off", false}});
    read_word("REEVE_CHECK_LOCKS", config.check_locks, {{"1", true}, {"0", false}});
    read_word("REEVE_DEADLOCK", config.on_deadlock,
              {{"exit", OnDeadlock::exit}, {"report", OnDeadlock::report}, {"off", OnDeadlock::off}});
    read_word("REEVE_LEAKS", config.on_leaks, {{"summary", OnLeaks::summary}, {"all", OnLeaks::all}, {"off", OnLeaks::off}});
    read_word("REEVE_CLOCK", config.clock, {{"real", Clock::real}, {"virtual", Clock::virtual_time}});
    read_number("REEVE_SEED", config.seed, std::uint64_t{1}, ~std::uint64_t{0});
    read_word("REEVE_IO", config.io, {{"automatic", Io::automatic}, {"io_uring", Io::io_uring}, {"epoll", Io::epoll}});
    read_word("REEVE_KERNEL_HINTS", config.kernel_hints,
              {{"automatic", KernelHints::automatic}, {"slices", KernelHints::slices}, {"none", KernelHints::none}});
    return config;
}

}  // namespace reeve
