// Stream: the seam between transports (TCP, Unix, TLS, in-memory) and what is spoken over them.
//
// One fiber may read while another writes; two readers or two writers at once are a broken program. Calls that may
// wait park the calling fiber and take a deadline. Errors: eof (the peer ended in order), timed_out, cancelled,
// closed (close() was called here), reset, tls, os.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

namespace reeve {
class Fd;
}

namespace reeve::net {

class Stream {
public:
    virtual ~Stream() = default;

    // One operation each; may move fewer bytes than asked, never 0.
    virtual Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {}) = 0;
    virtual Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline = {}) = 0;

    // Until all is written or an error stops it.
    Transfer write_all(std::span<const std::byte> from, Deadline deadline = {});
    Transfer write_all(std::string_view text, Deadline deadline = {});

    virtual Result<void> shutdown_write(Deadline deadline = {}) = 0;
    // Wakes a reader and a writer in flight with Errc::closed; idempotent; any fiber.
    virtual void close() = 0;

    // The socket underneath, for HangupWatch; null where there is none (in-memory).
    [[nodiscard]] virtual Fd* socket() { return nullptr; }
};

}  // namespace reeve::net
