// Limits: every bound on size and time that the server enforces, with its reason.
//
// A bound of 0 bytes or fields means "none allowed", not "unlimited"; a duration of zero has always passed. Set before
// serve(); read-only afterwards.
#pragma once

#include <chrono>
#include <cstddef>

#include "runtime/base/time.hpp"

namespace reeve::http {

struct Limits {
    // Browsers stop near 2,000 and proxies near 8,000; longer targets are data that belongs in a body. -> 414
    std::size_t target_bytes = 8 * 1024;
    // Request line and header fields together, trailers separately. Signed cookies and long tokens fit. -> 431
    std::size_t head_bytes = 32 * 1024;
    std::size_t header_fields = 100;  // -> 431
    // Prompts of a million tokens are about 4 MB of JSON, images more; a server may raise it. -> 413
    std::size_t body_bytes = 16 * 1024 * 1024;

    // From the first byte of a request to the end of its head: a slow sender holds a connection, not a handler. -> 408
    Duration head_timeout = std::chrono::seconds(10);
    // For one whole request body, counted from the handler's first read. -> 408
    Duration body_timeout = std::chrono::seconds(60);
    // Between two requests of a connection; above the pool idle time of usual clients, so that they close first.
    Duration idle_timeout = std::chrono::seconds(75);
    // For one write: a reader that takes nothing for so long is gone.
    Duration write_timeout = std::chrono::seconds(30);
    Duration tls_handshake_timeout = std::chrono::seconds(10);
    // How long stop() lets requests in flight go on before it cancels them.
    Duration drain_timeout = std::chrono::seconds(10);

    // Accepting pauses at this number; the kernel's queue holds the rest.
    std::size_t connections = 200'000;
    // An unread request body up to this size is read and dropped to keep the connection; above, it is closed.
    std::size_t discard_bytes = 256 * 1024;
};

}  // namespace reeve::http
