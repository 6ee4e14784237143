#include "runtime/config.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

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
        warn("%s=%s is ignored: a number from %lld to %lld is wanted", name, text, static_cast<long long>(least),
             static_cast<long long>(most));
        return false;
    }
    value = number;
    return true;
}

void warn_of_word(const char* name, std::string_view text, const char* wanted) {
    warn("%s=%.*s is ignored: %s is wanted", name, static_cast<int>(text.size()), text.data(), wanted);
}

}  // namespace

Config Config::from_env() {
    Config config;
    read_number("REEVE_WORKERS", config.workers, 1U, 1024U);
    read_number("REEVE_MAX_THREADS", config.max_threads, 4U, 1'000'000U);
    long long number = 0;
    if (read_number("REEVE_QUANTUM_US", number, 20LL, 10'000'000LL)) config.quantum = std::chrono::microseconds(number);
    if (read_number("REEVE_STACK_KB", number, 16LL, 1'048'576LL)) config.stack_bytes = static_cast<std::size_t>(number) * 1024;
    if (read_number("REEVE_SCHEDTRACE", number, 1LL, 3'600'000LL)) config.schedtrace = std::chrono::milliseconds(number);
    if (const char* text = getenv("REEVE_PREEMPTION"); text && *text) {
        const std::string_view word = text;
        if (word == "on" || word == "off")
            config.preemption = word == "on";
        else
            warn_of_word("REEVE_PREEMPTION", word, "on or off");
    }
    if (const char* text = getenv("REEVE_IO"); text && *text) {
        const std::string_view word = text;
        if (word == "automatic")
            config.io = Io::automatic;
        else if (word == "io_uring")
            config.io = Io::io_uring;
        else if (word == "epoll")
            config.io = Io::epoll;
        else
            warn_of_word("REEVE_IO", word, "automatic, io_uring or epoll");
    }
    return config;
}

}  // namespace reeve
