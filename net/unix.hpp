// UnixListener and UnixStream: streams between processes of one machine, addressed by a path.
//
// A path that starts with '@' is in Linux's abstract namespace: no file, gone with its last descriptor.
// listen() replaces a socket file that nobody listens on any more; the listener removes its file when it is
// destroyed. Parks, moves and errors as TcpListener and TcpStream; a path of more than 107 bytes is
// Errc::too_large.
#pragma once

#include <string>
#include <string_view>

#include "net/socket_stream.hpp"

namespace reeve::net {

class UnixStream final : public SocketStream {
public:
    explicit UnixStream(Fd connected) : SocketStream(std::move(connected)) {}

    static Result<UnixStream> connect(std::string_view path, Deadline deadline = {});
};

class UnixListener {
public:
    static Result<UnixListener> listen(std::string_view path, int backlog = 4096);

    ~UnixListener();
    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&&) = delete;

    Result<UnixStream> accept(Deadline deadline = {});

    [[nodiscard]] const std::string& path() const { return path_; }
    void close() { fd_.close(); }

private:
    UnixListener(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Fd fd_;
    std::string path_;  // empty: moved from
};

}  // namespace reeve::net
