// bare_uring: the floor of the HTTP benchmark. One thread, one io_uring, a fixed answer, no parser, no runtime.
//
//     bare_uring PORT [FILE]         FILE holds the bytes to answer with; default: a minimal answer
//
// Each "\r\n\r\n" received is a request and is answered with the same bytes, so pipelined and split requests work;
// nothing else of HTTP does. Multishot accept, multishot receive into provided buffers, a send per batch of requests
// that came together; submissions and waiting are one system call per round. The ring belongs to one thread
// (SINGLE_ISSUER | DEFER_TASKRUN), which a runtime whose processors change threads cannot have: that is part of
// what the comparison measures.
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

constexpr unsigned k_ring_entries = 4096;
constexpr unsigned k_buffers = 4096;  // a power of two
constexpr unsigned k_buffer_bytes = 2048;
constexpr int k_buffer_group = 1;
constexpr unsigned k_answers_at_once = 64;
constexpr unsigned k_connections_max = 65536;

enum class Kind : std::uint64_t { accept, receive, send };

struct Server {
    io_uring ring{};
    io_uring_buf_ring* buffers = nullptr;
    std::vector<char> memory;
    std::string answers;  // k_answers_at_once answers back to back
    std::size_t answer_bytes = 0;
    std::vector<std::uint8_t> matched;  // by descriptor: how many bytes of "\r\n\r\n" the last data ended in
    int listener = -1;
};

[[noreturn]] void die(const char* what, int error) {
    std::fprintf(stderr, "bare_uring: %s: %s\n", what, std::strerror(error));
    std::exit(1);
}

io_uring_sqe* next_sqe(Server& server, Kind kind, int fd) {
    io_uring_sqe* sqe = io_uring_get_sqe(&server.ring);
    if (!sqe) {
        io_uring_submit(&server.ring);
        sqe = io_uring_get_sqe(&server.ring);
        if (!sqe) die("submission queue", EBUSY);
    }
    sqe->user_data = static_cast<std::uint64_t>(kind) << 32 | static_cast<std::uint32_t>(fd);
    return sqe;
}

// liburing's prepare functions clear user_data in some versions: it is set again after them.
template <class Prepare>
void submit(Server& server, Kind kind, int fd, Prepare prepare) {
    io_uring_sqe* sqe = next_sqe(server, kind, fd);
    const std::uint64_t tag = sqe->user_data;
    prepare(sqe);
    sqe->user_data = tag;
}

void arm_accept(Server& server) {
    submit(server, Kind::accept, server.listener, [&](io_uring_sqe* sqe) {
        io_uring_prep_multishot_accept(sqe, server.listener, nullptr, nullptr, 0);
    });
}

void arm_receive(Server& server, int fd) {
    submit(server, Kind::receive, fd, [&](io_uring_sqe* sqe) {
        io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = k_buffer_group;
    });
}

unsigned requests_in(std::uint8_t& matched, const char* bytes, std::size_t count) {
    static constexpr char k_end[] = "\r\n\r\n";
    // The usual case: one whole request.
    if (matched == 0 && count >= 4 && std::memcmp(bytes + count - 4, k_end, 4) == 0 &&
        ::memmem(bytes, count, k_end, 4) == bytes + count - 4)
        return 1;
    unsigned found = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (bytes[i] == k_end[matched])
            ++matched;
        else
            matched = bytes[i] == '\r' ? 1 : 0;
        if (matched == 4) {
            matched = 0;
            ++found;
        }
    }
    return found;
}

void answer(Server& server, int fd, unsigned requests) {
    while (requests > 0) {
        const unsigned now = requests < k_answers_at_once ? requests : k_answers_at_once;
        submit(server, Kind::send, fd, [&](io_uring_sqe* sqe) {
            io_uring_prep_send(sqe, fd, server.answers.data(), now * server.answer_bytes, MSG_NOSIGNAL | MSG_WAITALL);
        });
        requests -= now;
    }
}

void received(Server& server, const io_uring_cqe& cqe, int fd) {
    if (cqe.res > 0) {
        const auto buffer = static_cast<unsigned short>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
        char* bytes = server.memory.data() + std::size_t{buffer} * k_buffer_bytes;
        std::uint8_t& matched = server.matched[static_cast<std::size_t>(fd)];
        answer(server, fd, requests_in(matched, bytes, static_cast<std::size_t>(cqe.res)));
        io_uring_buf_ring_add(server.buffers, bytes, k_buffer_bytes, buffer, io_uring_buf_ring_mask(k_buffers), 0);
        io_uring_buf_ring_advance(server.buffers, 1);
    } else if (cqe.res != -ENOBUFS) {
        ::close(fd);
        return;
    }
    if (!(cqe.flags & IORING_CQE_F_MORE)) arm_receive(server, fd);
}

void handle(Server& server, const io_uring_cqe& cqe) {
    const int fd = static_cast<int>(cqe.user_data & 0xffffffff);
    switch (static_cast<Kind>(cqe.user_data >> 32)) {
        case Kind::accept:
            if (cqe.res >= 0 && static_cast<unsigned>(cqe.res) < k_connections_max) {
                const int one = 1;
                ::setsockopt(cqe.res, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                server.matched[static_cast<std::size_t>(cqe.res)] = 0;
                arm_receive(server, cqe.res);
            }
            if (!(cqe.flags & IORING_CQE_F_MORE)) arm_accept(server);
            break;
        case Kind::receive: received(server, cqe, fd); break;
        case Kind::send: break;  // a broken connection also ends the receive, which closes
    }
}

int listen_on(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("bind", errno);
    if (::listen(fd, 4096) != 0) die("listen", errno);
    return fd;
}

void set_up(Server& server, int port, const char* file) {
    std::string one = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
    if (file) {
        std::ifstream stream(file, std::ios::binary);
        one.assign(std::istreambuf_iterator<char>(stream), {});
        if (one.empty()) die(file, ENOENT);
    }
    server.answer_bytes = one.size();
    for (unsigned i = 0; i < k_answers_at_once; ++i) server.answers += one;
    server.matched.resize(k_connections_max);

    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    parameters.cq_entries = 4 * k_ring_entries;
    if (const int error = io_uring_queue_init_params(k_ring_entries, &server.ring, &parameters); error != 0)
        die("io_uring", -error);

    const std::size_t ring_bytes = k_buffers * sizeof(io_uring_buf);
    void* area = ::mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (area == MAP_FAILED) die("mmap", errno);
    server.buffers = static_cast<io_uring_buf_ring*>(area);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(area);
    registration.ring_entries = k_buffers;
    registration.bgid = k_buffer_group;
    if (const int error = io_uring_register_buf_ring(&server.ring, &registration, 0); error != 0)
        die("buffer ring", -error);
    io_uring_buf_ring_init(server.buffers);
    server.memory.resize(std::size_t{k_buffers} * k_buffer_bytes);
    for (unsigned i = 0; i < k_buffers; ++i)
        io_uring_buf_ring_add(server.buffers, server.memory.data() + std::size_t{i} * k_buffer_bytes, k_buffer_bytes,
                              static_cast<unsigned short>(i), io_uring_buf_ring_mask(k_buffers), static_cast<int>(i));
    io_uring_buf_ring_advance(server.buffers, k_buffers);
    server.listener = listen_on(port);
    arm_accept(server);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: bare_uring PORT [FILE]\n");
        return 2;
    }
    Server server;
    set_up(server, std::atoi(argv[1]), argc > 2 ? argv[2] : nullptr);
    for (;;) {
        const int error = io_uring_submit_and_wait(&server.ring, 1);
        if (error < 0 && error != -EINTR) die("wait", -error);
        io_uring_cqe* cqe = nullptr;
        unsigned head = 0;
        unsigned seen = 0;
        io_uring_for_each_cqe(&server.ring, head, cqe) {
            handle(server, *cqe);
            ++seen;
        }
        io_uring_cq_advance(&server.ring, seen);
    }
}
