#include "runtime/os/system_call.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/os/ring.hpp"

namespace reeve::os {
namespace {

constexpr std::uint64_t k_current_position = ~std::uint64_t{0};

ssize_t read_at(const Request& request, void* address) {
    if (request.offset == k_current_position) return ::read(request.fd, address, request.length);
    return ::pread(request.fd, address, request.length, static_cast<off_t>(request.offset));
}

ssize_t write_at(const Request& request, void* address) {
    const iovec one{address, request.length};
    if (const int flags = Ring::write_flags(); flags != 0) {
        // An offset of -1 is the current position here, too. Some devices know no flags at all; none of them is a pipe.
        const ssize_t result = ::pwritev2(request.fd, &one, 1, static_cast<off_t>(request.offset), flags);
        if (result >= 0 || errno != EOPNOTSUPP) return result;
    }
    if (request.offset == k_current_position) return ::write(request.fd, address, request.length);
    return ::pwrite(request.fd, address, request.length, static_cast<off_t>(request.offset));
}

long call(const Request& request) {
    auto* address = const_cast<void*>(request.address);
    const auto* path = static_cast<const char*>(request.address);
    const auto flags = static_cast<int>(request.flags);
    switch (request.opcode) {
        case Opcode::read: return read_at(request, address);
        case Opcode::write: return write_at(request, address);
        case Opcode::recv: return ::recv(request.fd, address, request.length, flags | MSG_DONTWAIT);
        case Opcode::send: return ::send(request.fd, address, request.length, flags | MSG_DONTWAIT);
        case Opcode::accept: return ::accept4(request.fd, nullptr, nullptr, flags);
        case Opcode::connect: return ::connect(request.fd, static_cast<const sockaddr*>(request.address), request.length);
        case Opcode::open: return ::openat(request.fd, path, flags, request.length);
        case Opcode::sync: return request.flags != 0 ? ::fdatasync(request.fd) : ::fsync(request.fd);
        case Opcode::stat: return ::statx(request.fd, path, flags, request.length, static_cast<struct statx*>(request.second));
        case Opcode::truncate: return ::ftruncate(request.fd, static_cast<off_t>(request.offset));
        case Opcode::unlink: return ::unlinkat(request.fd, path, flags);
        case Opcode::rename:
            return ::renameat2(request.fd, path, request.fd, static_cast<const char*>(request.second), request.flags);
        case Opcode::make_directory: return ::mkdirat(request.fd, path, request.length);
        case Opcode::poll:
        case Opcode::cancel: break;
    }
    fatal("no system call for this request");
}

}  // namespace

long system_call(const Request& request) {
    const long result = call(request);
    return result >= 0 ? result : -errno;
}

}  // namespace reeve::os
