#include "net/unix.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace reeve::net {

namespace {

struct UnixAddress {
    sockaddr_un value{};
    socklen_t bytes = 0;

    [[nodiscard]] const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&value); }
};

Result<UnixAddress> address_of(std::string_view path) {
    UnixAddress address;
    if (path.empty()) return Error(Errc::malformed, "unix socket: empty path");
    if (path.size() >= sizeof address.value.sun_path)
        return Error(Errc::too_large, "unix socket: path too long");
    address.value.sun_family = AF_UNIX;
    std::memcpy(address.value.sun_path, path.data(), path.size());
    const bool is_abstract = path.front() == '@';
    if (is_abstract) address.value.sun_path[0] = '\0';
    // An abstract name ends with the length, a path with a zero byte.
    address.bytes =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
    return address;
}

Result<Fd> open_socket() {
    const int number = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0) return Error::from_errno(errno, "socket");
    return Fd(number);
}

// A file left behind by a server that was killed: a socket to which nobody answers.
bool is_stale(const UnixAddress& address, const char* path) {
    struct stat info;
    if (::stat(path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
    const Result<Fd> probe = open_socket();
    return probe && ::connect(probe->get(), address.data(), address.bytes) != 0 && errno == ECONNREFUSED;
}

}  // namespace

Result<UnixStream> UnixStream::connect(std::string_view path, Deadline deadline) {
    const Result<UnixAddress> address = address_of(path);
    if (!address) return address.error();
    Result<Fd> fd = open_socket();
    if (!fd) return fd.error();
    if (const Result<void> connected = fd->connect(address->data(), address->bytes, deadline); !connected)
        return connected.error();
    return UnixStream(std::move(*fd));
}

Result<UnixListener> UnixListener::listen(std::string_view path, int backlog) {
    const Result<UnixAddress> address = address_of(path);
    if (!address) return address.error();
    Result<Fd> fd = open_socket();
    if (!fd) return fd.error();
    std::string name(path);
    if (path.front() != '@' && is_stale(*address, name.c_str())) (void)::unlink(name.c_str());
    if (::bind(fd->get(), address->data(), address->bytes) != 0) return Error::from_errno(errno, "bind");
    if (::listen(fd->get(), backlog) != 0) return Error::from_errno(errno, "listen");
    return UnixListener(std::move(*fd), std::move(name));
}

UnixListener::~UnixListener() {
    if (!path_.empty() && path_.front() != '@') (void)::unlink(path_.c_str());
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}

Result<UnixStream> UnixListener::accept(Deadline deadline) {
    Result<Fd> fd = fd_.accept(deadline);
    if (!fd) return fd.error();
    return UnixStream(std::move(*fd));
}

}  // namespace reeve::net
