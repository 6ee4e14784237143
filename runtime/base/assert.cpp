#include "runtime/base/assert.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <execinfo.h>
#include <unistd.h>

namespace reeve {
namespace {

// One write(2) per line, so that lines of several threads do not mix; a partial write is not retried.
void print_line(const char* prefix, const char* format, va_list arguments) {
    char line[1024];
    const int start = snprintf(line, sizeof line, "%s", prefix);
    const int room = static_cast<int>(sizeof line) - start - 1;
    int body = vsnprintf(line + start, static_cast<std::size_t>(room), format, arguments);
    if (body < 0) body = 0;
    if (body >= room) body = room - 1;
    line[start + body] = '\n';
    [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, line, static_cast<std::size_t>(start + body + 1));
}

}  // namespace

void fatal(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line("reeve: fatal: ", format, arguments);
    va_end(arguments);
    void* frames[48];
    const int count = backtrace(frames, 48);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    abort();
}

void warn(const char* format, ...) {
    const int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    print_line("reeve: ", format, arguments);
    va_end(arguments);
    errno = saved;
}

}  // namespace reeve
