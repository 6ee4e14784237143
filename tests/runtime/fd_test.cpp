// Fd: operations park the fiber, deadlines and cancellation end them, close ends what is in flight.
#include "runtime/fd.hpp"

#include <sys/socket.h>

#include <array>
#include <string>

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
