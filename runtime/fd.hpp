// Fd: an owned descriptor whose operations park the calling fiber instead of blocking its thread.
//
// Idea. One call is one kernel operation; the fiber is parked until it is complete. From a plain OS thread the same call
// blocks that thread. close() while operations are in flight is safe: they end with
// Errc::closed and the number is given back to the kernel only when the last one has left (Go's fd_mutex).
//
// Every call but the constructors, get() and close() may park. Errors: timed_out (deadline), cancelled (the fiber
// was cancelled), closed (close() was called), reset, or os with the errno. No buffer is touched by the kernel after
// the call has returned, whatever the outcome. Not signal-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"

struct sockaddr;

namespace reeve {

namespace os {
struct Request;
}

class Fd {
public:
    // Takes ownership of `fd`. Sockets and pipes should be non-blocking (O_NONBLOCK); regular files need not be.
    explicit Fd(int fd = -1) : number_(fd) {}
    ~Fd();
    // Moving is for handing over before the descriptor is shared: no operation may be in flight.
    Fd(Fd&& other) noexcept;
    Fd& operator=(Fd&& other) noexcept;

    // One operation each; may move fewer bytes than asked. 0 bytes read from a stream is Errc::eof.
    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {});
    Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline = {});
    Result<std::size_t> recv(std::span<std::byte> into, Deadline deadline = {});
    Result<std::size_t> send(std::span<const std::byte> from, Deadline deadline = {});  // never raises SIGPIPE

    Result<Fd> accept(Deadline deadline = {});  // close-on-exec, non-blocking
    Result<void> connect(const sockaddr* address, unsigned address_bytes, Deadline deadline = {});

    // Sends the end of the stream; reading goes on. Does not park.
    Result<void> shutdown_write();

    // Waits until one of the poll(2) events is there; returns those that are.
    Result<std::uint32_t> poll(std::uint32_t events, Deadline deadline = {});

    // Ends operations in flight with Errc::closed; idempotent; any thread or fiber; does not park.
    void close();

    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] bool is_open() const;

private:
    friend class File;
    friend class HangupWatch;
    class Use;  // one operation in flight

    Result<std::size_t> transfer(const os::Request& request, Deadline deadline, const char* operation);

    // Bit 63: closing. Lower bits: operations in flight. Whoever brings it to "closing, none in flight" closes.
    std::atomic<std::uint64_t> state_{0};
    int number_;
    std::atomic<bool> was_drained_{false};  // the last recv got all there was: waiting first saves a futile attempt; a hint
};

// Cancels the fiber that made it when the peer of a connected socket goes away (half-close counts), for as long as
// the object lives. Costs nothing until that fiber first parks: only then is the poll armed. What was cancelled so is
// told by hung_up(); the destructor disarms and forgets a cancellation it caused, so that the fiber can go on.
class HangupWatch {
public:
    explicit HangupWatch(Fd& socket);
    ~HangupWatch();  // may park shortly (until the kernel has let go of the poll)
    HangupWatch(const HangupWatch&) = delete;
    HangupWatch& operator=(const HangupWatch&) = delete;

    [[nodiscard]] bool hung_up() const;

private:
    struct Poll;
    // Room for a Poll: one watch per request is no place for an allocation.
    alignas(16) std::byte room_[256];
    Poll* poll_;
};

}  // namespace reeve
