// REEVE_ASSERT, REEVE_CHECK, fatal(): how a broken program ends.
//
// REEVE_ASSERT may cost and disappears in release builds; REEVE_CHECK stays and guards memory safety, not taste.
// fatal() prints one line to standard error without allocating, then the stack, and aborts. Any thread, any stack, signal
// handlers included: it formats into a buffer of its own and uses write(2); the backtrace may allocate in the unwinder the
// first time, which a process that ends can risk once the line is out.
#pragma once

namespace reeve {

[[noreturn, gnu::format(printf, 1, 2), gnu::cold]] void fatal(const char* format, ...);

// One line to standard error, whole or not at all; signal-safe. For warnings that must not be lost.
[[gnu::format(printf, 1, 2), gnu::cold]] void warn(const char* format, ...);

}  // namespace reeve

#define REEVE_CHECK(condition) \
    ((condition) ? void(0) : ::reeve::fatal("%s:%d: check failed: %s", __FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define REEVE_ASSERT(condition) void(0)
#else
#define REEVE_ASSERT(condition) REEVE_CHECK(condition)
#endif
