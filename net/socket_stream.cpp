#include "net/socket_stream.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace reeve::net {

Result<std::size_t> SocketStream::read(std::span<std::byte> into, Deadline deadline) {
    // The kernel answers a read of nothing with 0, which is the sign for the end of the stream.
    if (into.empty()) return std::size_t{0};
    return fd_.recv(into, deadline);
}

Result<std::size_t> SocketStream::write(std::span<const std::byte> from, Deadline deadline) {
    if (from.empty()) return std::size_t{0};
    return fd_.send(from, deadline);
}

Result<void> SocketStream::shutdown_write(Deadline) { return fd_.shutdown_write(); }

void SocketStream::close() { fd_.close(); }

}  // namespace reeve::net
