// sse_client: many concurrent event streams of one server, every event counted and timed.
//
//     sse_client PORT [STREAMS [EVENTS [PATH [PER_SECOND]]]]      default: 10000 streams of 50 events at /sse
//
// Opens the streams at a steady rate (default 5,000 a second; 0: as fast as they are answered, which measures how the
// machine takes a storm of connections rather than how it serves streams) and says "open" on standard output as soon as the last one
// is answered: the moment to look at the server's memory. Each event is a line `data: {"i":K,"due":US}`; its lateness
// is the time of the read that completed the line minus `due`. Ends with one line of JSON when every stream has had
// its events or has broken; exit status 1 when any broke.
//
// One thread and epoll: about 2 us per event, so the client is not what gets measured.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned k_connecting_max = 200;  // below any listen backlog
constexpr int k_idle_ms_max = 10'000;       // without any event: the rest is lost

struct Stream {
    unsigned events = 0;
    bool is_answered = false;
    std::string rest;  // an unfinished line
};

struct Client {
    int epoll = -1;
    std::uint16_t port = 0;
    unsigned streams_wanted = 0;
    unsigned events_wanted = 0;
    std::int64_t per_second = 5000;
    std::string request;

    std::vector<Stream> streams;  // by descriptor
    std::vector<std::uint32_t> lateness_us;
    unsigned opened = 0;
    unsigned answered = 0;
    unsigned ended = 0;
    unsigned failed = 0;
    unsigned early = 0;
    std::uint64_t out_of_order = 0;
};

std::int64_t now_us() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

void raise_descriptor_limit(unsigned wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, wanted);
    limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        std::fprintf(stderr, "sse_client: cannot raise the descriptor limit to %u\n", wanted);
}

void open_one(Client& client) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(client.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ++client.opened;
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::send(fd, client.request.data(), client.request.size(), MSG_NOSIGNAL) < 0) {
        if (client.failed++ == 0) std::fprintf(stderr, "sse_client: connect: %s\n", std::strerror(errno));
        if (fd >= 0) ::close(fd);
        ++client.ended;
        ++client.answered;
        return;
    }
    const auto index = static_cast<std::size_t>(fd);
    if (client.streams.size() <= index) client.streams.resize(index + 1024);
    client.streams[index] = Stream{};
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(client.epoll, EPOLL_CTL_ADD, fd, &event);
}

void take_line(Client& client, Stream& stream, std::string_view line, std::int64_t now) {
    constexpr std::string_view k_index = "data: {\"i\":";
    constexpr std::string_view k_due = "\"due\":";
    if (!line.starts_with(k_index)) return;
    const std::size_t at = line.find(k_due);
    if (at == std::string_view::npos) return;
    std::int64_t due = 0;
    std::int64_t index = -1;
    std::from_chars(line.data() + at + k_due.size(), line.data() + line.size(), due);
    std::from_chars(line.data() + k_index.size(), line.data() + line.size(), index);
    // Counting may start at 0 or 1.
    if (index != stream.events && index != stream.events + 1) ++client.out_of_order;
    ++stream.events;
    const std::int64_t late = now - due;
    if (late < 0) ++client.early;
    client.lateness_us.push_back(static_cast<std::uint32_t>(std::clamp<std::int64_t>(late, 0, UINT32_MAX)));
}

void take_bytes(Client& client, Stream& stream, std::string_view bytes, std::int64_t now) {
    if (!stream.is_answered) {
        stream.is_answered = true;
        ++client.answered;
    }
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) {
            stream.rest += bytes;
            return;
        }
        if (stream.rest.empty()) {
            take_line(client, stream, bytes.substr(0, end), now);
        } else {
            stream.rest += bytes.substr(0, end);
            take_line(client, stream, stream.rest, now);
            stream.rest.clear();
        }
        bytes.remove_prefix(end + 1);
    }
}

void read_one(Client& client, int fd) {
    std::array<char, 16384> bytes;
    const ssize_t count = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    Stream& stream = client.streams[static_cast<std::size_t>(fd)];
    if (count > 0) take_bytes(client, stream, {bytes.data(), static_cast<std::size_t>(count)}, now_us());
    if (count > 0 && stream.events < client.events_wanted) return;
    // All events are here, or the stream broke.
    if (!stream.is_answered) ++client.answered;
    if (stream.events < client.events_wanted) ++client.failed;
    ++client.ended;
    ::close(fd);
}

double quantile_ms(const std::vector<std::uint32_t>& sorted, double share) {
    if (sorted.empty()) return 0;
    const double last = static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<std::size_t>(last * share)] / 1000.0;
}

void print(Client& client, double seconds) {
    std::sort(client.lateness_us.begin(), client.lateness_us.end());
    const std::size_t events = client.lateness_us.size();
    std::printf("{\"streams\": %u, \"events\": %zu, \"events_expected\": %zu, \"failed_streams\": %u, "
                "\"out_of_order\": %llu, \"early\": %u, \"late_p50_ms\": %.3f, \"late_p99_ms\": %.3f, "
                "\"late_p999_ms\": %.3f, \"late_max_ms\": %.3f, \"seconds\": %.2f}\n",
                client.streams_wanted, events, std::size_t{client.streams_wanted} * client.events_wanted, client.failed,
                static_cast<unsigned long long>(client.out_of_order), client.early,
                quantile_ms(client.lateness_us, 0.5), quantile_ms(client.lateness_us, 0.99),
                quantile_ms(client.lateness_us, 0.999), quantile_ms(client.lateness_us, 1.0), seconds);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: sse_client PORT [STREAMS [EVENTS [PATH [PER_SECOND]]]]\n");
        return 2;
    }
    Client client;
    client.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    client.streams_wanted = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 10'000;
    client.events_wanted = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 50;
    if (argc > 5) client.per_second = std::atoi(argv[5]);
    client.request = std::string("GET ") + (argc > 4 ? argv[4] : "/sse") +
                     " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n";
    client.lateness_us.reserve(std::size_t{client.streams_wanted} * client.events_wanted);
    raise_descriptor_limit(client.streams_wanted + 100);
    client.epoll = ::epoll_create1(EPOLL_CLOEXEC);

    const std::int64_t start = now_us();
    bool told = false;
    std::array<epoll_event, 512> ready;
    while (client.ended < client.streams_wanted) {
        const std::int64_t due = client.per_second > 0 ? (now_us() - start) * client.per_second / 1'000'000 + 1
                                                       : client.streams_wanted;
        while (client.opened < std::min<std::int64_t>(client.streams_wanted, due) &&
               client.opened - client.answered < k_connecting_max)
            open_one(client);
        if (!told && client.answered >= client.streams_wanted) {
            told = true;
            std::puts("open");
            std::fflush(stdout);
        }
        const bool opening = client.opened < client.streams_wanted;
        const int count = ::epoll_wait(client.epoll, ready.data(), static_cast<int>(ready.size()), opening ? 1 : k_idle_ms_max);
        if (count == 0 && !opening) {
            std::fprintf(stderr, "sse_client: nothing for %d ms, giving up\n", k_idle_ms_max);
            client.failed += client.streams_wanted - client.ended;
            break;
        }
        for (int i = 0; i < count; ++i) read_one(client, ready[static_cast<std::size_t>(i)].data.fd);
    }
    print(client, static_cast<double>(now_us() - start) / 1e6);
    return client.failed == 0 ? 0 : 1;
}
