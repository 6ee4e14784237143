// Connection: one accepted connection, from its first byte to its close, on one fiber. Internal.
//
// Idea. A loop: read a head, find the handler, run it, write the answer, skip what it left of the body. Everything
// that lives longer than a call is a member here, on the heap, because the fiber's stack below a parked handler is
// memory too: at 10,000 event streams every kilobyte counts. Buffers exist only while they hold something.
//
// Callers. serve() and all that Request, Response and the writers call: the connection's own fiber; may park.
// close_if_idle() and the registry's fields: the server, under its lock.
//
// Phase, the one thing shared with stop():
//
//     active -> idle      the fiber, before it waits for the first byte of a request
//     idle   -> active    the fiber, when something came
//     idle   -> closing   stop(): it closes the stream, and the fiber finds that it may not become active again
//
// After storing idle the fiber looks at the server's stopping flag (seq_cst, pairs with stop(), which sets the flag and
// then looks at the phases): so either stop() sees idle, or the fiber sees stopping.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/input_buffer.hpp"
#include "http/message.hpp"
#include "http/parser.hpp"
#include "http/server.hpp"
#include "net/stream.hpp"
#include "net/tcp.hpp"
#include "runtime/go.hpp"

namespace reeve::http {

struct ServerState;

class Connection {
public:
    Connection(std::shared_ptr<ServerState> server, net::TcpStream stream, const net::TlsConfig* tls);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void serve();

    // For Request.
    Result<std::string_view> read_piece(Deadline deadline);  // the next piece of the body; eof at its end
    void body_was_read() { input_.release_if_empty(); }
    [[nodiscard]] std::string remote_address() const;
    [[nodiscard]] bool is_tls() const { return is_tls_; }
    [[nodiscard]] bool is_cancelled() const;

    // For Response and its writers.
    void answer(int status, std::string_view content_type, const Headers* headers, std::string_view body);
    Result<void> flush();
    Result<void> begin_stream(int status, std::string_view content_type, const Headers* headers);
    // `frame` has k_frame_room bytes of room before the payload; the payload is sent as one chunk.
    static constexpr std::size_t k_frame_room = 18;  // 16 hexadecimal digits and CRLF
    Result<void> send_frame(std::string& frame, bool is_last);
    void abort_stream();

    // For the server, under its lock. Returns whether it was idle.
    bool close_if_idle();
    std::optional<Join<void>> join;  // of the fiber that serves it
    Connection* next = nullptr;
    Connection* previous = nullptr;

private:
    enum class Phase : std::uint8_t { active, idle, closing };
    enum class Body : std::uint8_t { none, length, chunked, until_close };

    bool serve_one();
    bool read_head();
    bool wait_for_bytes(bool is_idle);
    void run(const Handler& handler);
    void call(const Handler& handler, bool& threw);
    void answer_without_handler(const std::string& allow);
    void finish_answer(bool threw);
    void refuse(int status, std::string_view message);
    bool skip_body();
    void decide_keep_alive();
    void append_head(int status, std::string_view content_type, const Headers* headers, std::size_t body_bytes);
    void append_fields(const Headers& headers, bool& has_type, bool& has_date);
    Result<void> write(std::string_view bytes);
    void linger();

    std::shared_ptr<ServerState> server_;
    std::unique_ptr<net::Stream> stream_;
    net::TcpStream* tcp_;  // what stream_ is, or is built on
    std::atomic<Phase> phase_{Phase::active};

    InputBuffer input_;
    Parser parser_;
    Request request_;
    Response response_;
    std::string output_;  // a complete answer that waits for the handler's return
    Deadline head_deadline_;

    Error write_error_{Errc::closed};
    int body_error_status_ = 0;            // what reading the body failed with, to be answered if the handler does not
    std::uint64_t stream_bytes_left_ = 0;  // Body::length
    Body stream_body_ = Body::none;
    bool is_tls_;
    bool keep_alive_ = true;
    bool body_ended_ = false;    // of the request
    bool head_sent_ = false;     // of the answer: it is too late for another one
    bool streaming_ = false;     // begin_stream() was called and the body has not ended
    bool write_failed_ = false;
    bool client_left_ = false;   // while the handler ran
};

}  // namespace reeve::http
