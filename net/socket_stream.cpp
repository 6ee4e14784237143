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

Result<void> SocketStream::shutdown_write(Deadline) {
    if (!fd_.is_open()) return Error(Errc::closed, "shutdown");
    if (::shutdown(fd_.get(), SHUT_WR) == 0) return {};
    // The peer has reset the connection: nothing is left to be said.
    if (errno == ENOTCONN) return Error(Errc::reset, "shutdown", ENOTCONN);
    return Error::from_errno(errno, "shutdown");
}

void SocketStream::close() { fd_.close(); }

}  // namespace reeve::net
