#include "runtime/os/system_call.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/assert.hpp"
#include "runtime/os/io_engine.hpp"

namespace reeve::os {
namespace {

constexpr std::uint64_t k_current_position = ~std::uint64_t{0};
constexpr int k_write_without_signal = 0x100;  // RWF_NOSIGNAL of Linux 6.18: a pipe without a reader is an error, no SIGPIPE

// A request is made by whichever thread submits it: the SIGPIPE of a write would end the process, whoever asked for it. Before
// Linux 6.18 a handler that does nothing keeps it away; unlike an ignored signal, a program that is started does not inherit it.
// Returns the flag that does it in newer ones.
int keep_broken_pipes_quiet() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return 0;
    // The reader is there, so that an old kernel only refuses the flag.
    const char byte = 0;
    const iovec one{const_cast<char*>(&byte), 1};
    const bool has_flag = pwritev2(ends[1], &one, 1, -1, k_write_without_signal) == 1;
    ::close(ends[0]);
    ::close(ends[1]);
    if (has_flag) return k_write_without_signal;
    struct sigaction action {};
    sigaction(SIGPIPE, nullptr, &action);
    if ((action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = [](int) {};
        action.sa_flags = SA_RESTART | SA_ONSTACK;
        sigaction(SIGPIPE, &action, nullptr);
    }
    return 0;
}

ssize_t read_at(const Request& request, void* address) {
    if (request.offset == k_current_position) return ::read(request.fd, address, request.length);
    return ::pread(request.fd, address, request.length, static_cast<off_t>(request.offset));
}

ssize_t write_at(const Request& request, void* address) {
    const iovec one{address, request.length};
    if (const int flags = write_flags(); flags != 0) {
        // An offset of -1 is the current position here, too. Some devices know no flags at all; none of them is a pipe.
        const ssize_t result = ::pwritev2(request.fd, &one, 1, static_cast<off_t>(request.offset), flags);
        if (result >= 0 || errno != EOPNOTSUPP) return result;
    }
    if (request.offset == k_current_position) return ::write(request.fd, address, request.length);
    return ::pwrite(request.fd, address, request.length, static_cast<off_t>(request.offset));
}

bool is_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags < 0 || (flags & O_NONBLOCK) != 0;  // of a bad descriptor the call will tell
}

// Most kinds of files know RWF_NOWAIT, whether or not the descriptor has O_NONBLOCK, which it may share with other processes.
long try_to_move(const Request& request) {
    const iovec one{const_cast<void*>(request.address), request.length};
    const auto offset = static_cast<off_t>(request.offset);  // -1 is the current position
    const ssize_t result = request.opcode == Opcode::read ? ::preadv2(request.fd, &one, 1, offset, RWF_NOWAIT)
                                                          : ::pwritev2(request.fd, &one, 1, offset, RWF_NOWAIT | write_flags());
    if (result >= 0) return result;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return -errno;
    return is_nonblocking(request.fd) ? system_call(request) : k_not_tried;
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

int write_flags() {
    static const int flags = keep_broken_pipes_quiet();
    return flags;
}

long try_system_call(const Request& request) {
    switch (request.opcode) {
        case Opcode::read:
        case Opcode::write: return try_to_move(request);
        case Opcode::recv:
        case Opcode::send: return system_call(request);
        default: return is_nonblocking(request.fd) ? system_call(request) : k_not_tried;
    }
}

long system_call(const Request& request) {
    const long result = call(request);
    return result >= 0 ? result : -errno;
}

}  // namespace reeve::os
