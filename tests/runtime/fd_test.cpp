// Fd: operations park the fiber, deadlines and cancellation end them, close ends what is in flight.
#include "runtime/fd.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Errc;
using reeve::Fd;

namespace {

struct Pair {
    Pair() {
        std::array<int, 2> ends{};
        REEVE_EXPECT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        left = Fd(ends[0]);
        right = Fd(ends[1]);
    }
    Fd left;
    Fd right;
};

// A pipe as another program hands it over: blocking.
struct BlockingPipe {
    BlockingPipe() {
        std::array<int, 2> ends{};
        REEVE_EXPECT(::pipe2(ends.data(), O_CLOEXEC) == 0);
        reader = Fd(ends[0]);
        writer = Fd(ends[1]);
    }
    Fd reader;
    Fd writer;
};

bool is_nonblocking(const Fd& fd) { return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0; }

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

REEVE_TEST("fd: a receive parks until bytes come; the end of the stream is eof", "[fd]") {
    Pair pair;
    auto receiver = reeve::spawn([&] {
        std::array<std::byte, 16> into{};
        const auto first = pair.left.recv(into);
        const bool hello = first && *first == 5 && std::to_integer<char>(into[0]) == 'h';
        return hello && pair.left.recv(into).error() == Errc::eof;
    });
    (void)reeve::sleep_for(1ms);
    REEVE_EXPECT(pair.right.send(bytes_of("hello")).value_or(0) == 5);
    (void)reeve::sleep_for(1ms);
    pair.right.close();
    REEVE_EXPECT(receiver.join());
}

REEVE_TEST("fd: a deadline ends a receive, and nothing is lost", "[fd]") {
    Pair pair;
    std::array<std::byte, 16> into{};
    for (int i = 0; i < 20; ++i) REEVE_EXPECT(pair.left.recv(into, 200us).error() == Errc::timed_out);
    REEVE_EXPECT(pair.right.send(bytes_of("abc")).value_or(0) == 3);
    REEVE_EXPECT(pair.left.recv(into, 20s).value_or(0) == 3);
}

REEVE_TEST("fd: close ends operations in flight with closed, and later ones too", "[fd]") {
    Pair pair;
    auto receiver = reeve::spawn([&] {
        std::array<std::byte, 16> into{};
        return pair.left.recv(into).error() == Errc::closed && pair.left.recv(into).error() == Errc::closed;
    });
    (void)reeve::sleep_for(1ms);
    pair.left.close();
    pair.left.close();
    REEVE_EXPECT(receiver.join());
    REEVE_EXPECT(!pair.left.is_open());
}

REEVE_TEST("fd: cancelling a fiber ends its receive", "[fd]") {
    Pair pair;
    auto receiver = reeve::spawn([&] {
        std::array<std::byte, 16> into{};
        return pair.left.recv(into).error() == Errc::cancelled;
    });
    (void)reeve::sleep_for(1ms);
    receiver.cancel();
    REEVE_EXPECT(receiver.join());
}

REEVE_TEST("fd: sending to a peer that left is reset, without a signal", "[fd]") {
    Pair pair;
    pair.right.close();
    REEVE_EXPECT(pair.left.send(bytes_of("x")).error() == Errc::reset);
}

REEVE_TEST("fd: a sender that fills the buffer goes on when the reader reads", "[fd]") {
    Pair pair;
    constexpr std::size_t k_total = 3'000'000;
    auto sender = reeve::spawn([&] {
        const std::string block(60'000, 'x');
        std::size_t sent = 0;
        while (sent < k_total) {
            const auto count = pair.left.send(bytes_of(std::string_view(block).substr(0, k_total - sent)));
            if (!count) return false;
            sent += *count;
        }
        pair.left.close();
        return true;
    });
    std::vector<std::byte> into(10'000);
    std::size_t received = 0;
    for (;;) {
        const auto count = pair.right.recv(into);
        if (!count) {
            REEVE_EXPECT(count.error() == Errc::eof);
            break;
        }
        received += *count;
    }
    REEVE_EXPECT(received == k_total);
    REEVE_EXPECT(sender.join());
}

REEVE_TEST("fd: hundreds of pairs play ping-pong at once", "[fd]") {
    std::vector<reeve::Join<bool>> games;
    for (int g = 0; g < 200; ++g)
        games.push_back(reeve::spawn([] {
            Pair pair;
            auto echo = reeve::spawn([&] {
                std::array<std::byte, 8> into{};
                for (;;) {
                    const auto count = pair.right.recv(into);
                    if (!count || !pair.right.send(std::span(into).first(*count))) return;
                }
            });
            std::array<std::byte, 8> into{};
            bool good = true;
            for (int i = 0; i < 20; ++i) {
                good = good && pair.left.send(bytes_of("ball")).value_or(0) == 4;
                good = good && pair.left.recv(into, 20s).value_or(0) == 4;
            }
            pair.left.close();
            echo.join();
            return good;
        }));
    for (auto& game : games) REEVE_EXPECT(game.join());
}

REEVE_TEST("hangup watch: a peer that leaves cancels the fiber that watches", "[fd]") {
    Pair pair;
    auto watcher = reeve::spawn([&] {
        bool ended_early = false;
        bool hung_up = false;
        {
            reeve::HangupWatch watch(pair.left);
            const auto slept = reeve::sleep_for(1h);
            ended_early = !slept && slept.error() == Errc::cancelled;
            hung_up = watch.hung_up();
        }
        // The cancellation was the watch's: it is gone with it.
        return ended_early && hung_up && reeve::sleep_for(1ms).has_value();
    });
    (void)reeve::sleep_for(1ms);
    pair.right.close();
    REEVE_EXPECT(watcher.join());
}

REEVE_TEST("hangup watch: nothing happens while the peer stays", "[fd]") {
    Pair pair;
    const auto stayed = reeve::spawn([&] {
        reeve::HangupWatch watch(pair.left);
        const bool slept = reeve::sleep_for(2ms).has_value();
        return slept && !watch.hung_up();
    }).join();
    REEVE_EXPECT(stayed);
}

// --- whichever engine carries it (the suite runs these with each) -------------------------------------------------------

REEVE_TEST("fd: one fiber reads, another writes, the same socket at the same time", "[fd]") {
    Pair pair;
    constexpr std::size_t k_total = 2'000'000;
    const auto pump = [](Fd& fd) {
        auto writer = reeve::spawn([&fd] {
            const std::string block(50'000, 'x');
            std::size_t sent = 0;
            while (sent < k_total) {
                const auto count = fd.send(bytes_of(std::string_view(block).substr(0, k_total - sent)), 20s);
                if (!count) break;
                sent += *count;
            }
            return sent;
        });
        std::vector<std::byte> into(7'000);
        std::size_t received = 0;
        while (received < k_total) {
            const auto count = fd.recv(into, 20s);
            if (!count) break;
            received += *count;
        }
        REEVE_EXPECT(received == k_total);
        REEVE_EXPECT(writer.join() == k_total);
    };
    auto other = reeve::spawn([&] { pump(pair.right); });
    pump(pair.left);
    other.join();
}

REEVE_TEST("fd: several readers of one socket get every byte once, whoever comes too late waits on", "[fd]") {
    Pair pair;
    constexpr int k_readers = 8;
    constexpr int k_bytes = 2'000;
    std::atomic<int> received{0};
    std::vector<reeve::Join<void>> readers;
    for (int i = 0; i < k_readers; ++i)
        readers.push_back(reeve::spawn([&] {
            std::byte byte{};
            while (pair.left.recv({&byte, 1})) ++received;
        }));
    for (int i = 0; i < k_bytes; ++i) {
        REEVE_EXPECT(pair.right.send(bytes_of("x")).value_or(0) == 1);
        if (i % 7 == 0) reeve::this_fiber::yield();
    }
    pair.right.close();
    for (auto& reader : readers) reader.join();
    REEVE_EXPECT(received == k_bytes);
}

REEVE_TEST("fd: a pipe that is blocking, as an inherited one may be, stays so and parks all the same", "[fd]") {
    BlockingPipe pipe;
    std::array<std::byte, 16> into{};
    REEVE_EXPECT(pipe.reader.read(into, 2ms).error() == Errc::timed_out);
    auto reader = reeve::spawn([&] { return pipe.reader.read(into).error() == Errc::cancelled; });
    (void)reeve::sleep_for(1ms);
    reader.cancel();
    REEVE_EXPECT(reader.join());
    auto echo = reeve::spawn([&] { return pipe.reader.read(into, 20s).value_or(0) == 3; });
    (void)reeve::sleep_for(1ms);
    REEVE_EXPECT(pipe.writer.write(bytes_of("abc")).value_or(0) == 3);
    REEVE_EXPECT(echo.join());
    // Full: the writer waits, and what was written before its deadline counts.
    const std::string block(1'000'000, 'y');
    REEVE_EXPECT(pipe.writer.write(bytes_of(block), 20s).value_or(0) > 0);
    REEVE_EXPECT(!is_nonblocking(pipe.reader) && !is_nonblocking(pipe.writer));
}

REEVE_TEST("fd: close ends what waits for a pipe, an event, a poll and a connection", "[fd]") {
    BlockingPipe pipe;
    Fd event(::eventfd(0, EFD_CLOEXEC));
    Pair pair;
    sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    REEVE_EXPECT(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name.sun_family) == 0);
    REEVE_EXPECT(::listen(listener.get(), 1) == 0);
    std::uint64_t count = 0;
    std::vector<reeve::Join<Errc>> waiting;
    const auto errc_of = [](const auto& result) { return result ? Errc::malformed : result.error().code(); };
    waiting.push_back(reeve::spawn([&] { std::byte byte{}; return errc_of(pipe.reader.read({&byte, 1})); }));
    waiting.push_back(reeve::spawn([&] { return errc_of(event.read(std::as_writable_bytes(std::span(&count, 1)))); }));
    waiting.push_back(reeve::spawn([&] { return errc_of(pair.left.poll(POLLIN)); }));
    waiting.push_back(reeve::spawn([&] { return errc_of(listener.accept()); }));
    (void)reeve::sleep_for(1ms);
    for (Fd* fd : {&pipe.reader, &event, &pair.left, &listener}) fd->close();
    for (auto& one : waiting) REEVE_EXPECT(one.join() == Errc::closed);
}

REEVE_TEST("fd: numbers are closed and used again, and duplicates live on", "[fd]") {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        Pair pair;
        const int duplicate = random() % 2 == 0 ? ::dup(pair.left.get()) : -1;
        auto reader = reeve::spawn([&] {
            std::byte byte{};
            return pair.left.recv({&byte, 1}, 20s).value_or(0) == 1;
        });
        for (auto i = random() % 3; i != 0; --i) reeve::this_fiber::yield();
        REEVE_EXPECT(pair.right.send(bytes_of("x")).value_or(0) == 1);
        REEVE_EXPECT(reader.join());
        if (random() % 2 == 0) {
            std::byte byte{};
            REEVE_EXPECT(pair.left.recv({&byte, 1}, 10us).error() == Errc::timed_out);
        }
        if (duplicate >= 0) ::close(duplicate);
    }
}

REEVE_TEST("fd: a regular file behind a descriptor is read to its end", "[fd]") {
    const int file = ::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    Fd fd(file);
    const std::string text(200'000, 't');
    REEVE_EXPECT(fd.write(bytes_of(text)).value_or(0) == text.size());
    REEVE_EXPECT(::lseek(file, 0, SEEK_SET) == 0);
    REEVE_EXPECT((fd.poll(POLLIN).value_or(0) & POLLIN) != 0);
    std::vector<std::byte> into(300'000);
    REEVE_EXPECT(fd.read(into).value_or(0) == text.size());
    REEVE_EXPECT(fd.read(into).error() == Errc::eof);
}

// Seen failing with a ring that is asked once: it does not wait, and the connection was refused at once.
REEVE_TEST("fd: connecting to a Unix socket whose listener has no room waits for some", "[fd]") {
    sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    socklen_t bytes = sizeof name;
    REEVE_EXPECT(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name.sun_family) == 0);  // a free abstract name
    REEVE_EXPECT(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &bytes) == 0);
    REEVE_EXPECT(::listen(listener.get(), 0) == 0);
    const auto make = [] { return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); };
    const auto connect = [&](Fd& fd, reeve::Deadline deadline) {
        return fd.connect(reinterpret_cast<sockaddr*>(&name), bytes, deadline);
    };
    Fd first = make();
    REEVE_EXPECT(connect(first, 20s));
    Fd second = make();
    REEVE_EXPECT(connect(second, 3ms).error() == Errc::timed_out);
    for (const bool is_thread : {false, true}) {
        Fd waits = make();
        std::atomic<bool> is_connected{false};
        const auto body = [&] {
            const bool done = connect(waits, 20s).has_value();
            is_connected = true;
            return done && waits.send(bytes_of("x")).value_or(0) == 1;
        };
        bool is_good = false;
        std::thread thread;
        std::optional<reeve::Join<bool>> fiber;
        if (is_thread)
            thread = std::thread([&] { is_good = body(); });
        else
            fiber.emplace(reeve::spawn(body));
        (void)reeve::sleep_for(2ms);
        REEVE_EXPECT(!is_connected);
        REEVE_EXPECT(listener.accept(20s));
        if (is_thread)
            reeve::blocking([&] { thread.join(); });
        else
            is_good = fiber->join();
        REEVE_EXPECT(is_good);
    }
}

// Nobody waits for the thread to be in poll(2): of the rounds some close before it, most while it is there. Seen failing, by hanging,
// with close() not telling threads, and with a thread that does not look at the mark once it can be told.
REEVE_TEST("fd: close ends the reads, writes and polls of plain threads, of pipes as well", "[fd]") {
    for (int round = 0; round < 100; ++round) {
        BlockingPipe pipe;
        BlockingPipe full;
        REEVE_EXPECT(::fcntl(full.writer.get(), F_SETFL, O_NONBLOCK) == 0);
        const std::string much(1 << 16, 'm');
        while (full.writer.write(bytes_of(much), 0ms)) {
        }
        std::atomic<int> begun{0};
        const auto read = [&] {
            std::array<std::byte, 4> into{};
            ++begun;
            REEVE_EXPECT(pipe.reader.read(into).error() == Errc::closed);
        };
        std::thread reader(read);
        std::thread other(read);
        std::thread poller([&] {
            ++begun;
            REEVE_EXPECT(pipe.reader.poll(POLLIN).error() == Errc::closed);
            Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
            REEVE_EXPECT(event.poll(POLLIN, 1ms).error() == Errc::timed_out);  // what told it is forgotten
        });
        std::thread writer([&] {
            ++begun;
            REEVE_EXPECT(full.writer.write(bytes_of("x")).error() == Errc::closed);
        });
        while (begun < 4) reeve::this_fiber::yield();
        if (round % 2 == 0) REEVE_EXPECT(reeve::sleep_for(200us));
        pipe.reader.close();
        full.writer.close();
        reeve::blocking([&] {
            for (std::thread* thread : {&reader, &other, &poller, &writer}) thread->join();
        });
    }
}

TEST_CASE("fd: cancellation against completion, at a short quantum: no byte is lost", "[fd]") {
    reeve::test::run_everywhere(
        [] {
            Pair pair;
            std::mt19937 random(99);
            int sent = 0;
            int received = 0;
            for (int round = 0; round < 500; ++round) {
                const bool is_brief = random() % 4 == 0;
                auto reader = reeve::spawn([&pair, is_brief] {
                    std::array<std::byte, 4> into{};
                    const auto count = pair.left.recv(into, is_brief ? reeve::Deadline::in(20us) : reeve::Deadline::never());
                    return count ? static_cast<int>(*count) : 0;
                });
                for (auto i = random() % 3; i != 0; --i) reeve::this_fiber::yield();
                if (random() % 2 == 0) sent += static_cast<int>(pair.right.send(bytes_of("x")).value_or(0));
                for (auto i = random() % 3; i != 0; --i) reeve::this_fiber::yield();
                reader.cancel();
                received += reader.join();
            }
            pair.right.close();
            std::array<std::byte, 600> rest{};
            while (const auto count = pair.left.recv(rest, 20s)) received += static_cast<int>(*count);
            REEVE_EXPECT(received == sent);
        },
        [](reeve::Config& config) { config.quantum = 100us; });
}
