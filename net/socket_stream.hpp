// SocketStream: what TcpStream and UnixStream have in common, a Stream over one connected socket.
//
// Movable only until it is shared: no operation may be in flight. Parks and errors as in net/stream.hpp.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "net/stream.hpp"
#include "runtime/fd.hpp"

namespace reeve::net {

class SocketStream : public Stream {
public:
    SocketStream(SocketStream&&) noexcept = default;
    SocketStream& operator=(SocketStream&&) noexcept = default;

    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {}) override;
    Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline = {}) override;
    Result<void> shutdown_write(Deadline deadline = {}) override;
    void close() override;
    [[nodiscard]] Fd* socket() override { return &fd_; }

protected:
    explicit SocketStream(Fd fd) : fd_(std::move(fd)) {}

    Fd fd_;
};

}  // namespace reeve::net
