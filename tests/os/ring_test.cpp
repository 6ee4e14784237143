// Ring: one completion for each request, cancellation, waking from another thread.
#include "runtime/os/ring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/base/time.hpp"
#include "tests/support/catch.hpp"

using reeve::os::Completion;
using reeve::os::Opcode;
using reeve::os::Request;
using reeve::os::Ring;

namespace {

// User data of requests: 0 means nobody's, and the smallest numbers are the ring's own.
constexpr std::uint64_t k_first = 0x1000;
constexpr std::int64_t k_patience_ns = 20'000'000'000;

struct Pair {
    Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0); }
    ~Pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    std::array<int, 2> ends{};
};

// Null where the kernel refuses.
std::unique_ptr<Ring> make_ring(unsigned entries) {
    int error = 0;
    auto ring = Ring::make(entries, error);
    if (!ring) WARN("left out: io_uring is refused here, errno " << error);
    return ring;
}

std::vector<Completion> wait_for(Ring& ring, std::size_t count) {
    std::vector<Completion> all;
    const std::int64_t until = reeve::now_ns() + k_patience_ns;
    while (all.size() < count && reeve::now_ns() < until) {
        ring.wait(until);
        std::array<Completion, 16> some;
        const unsigned taken = ring.drain(some.data(), some.size());
        all.insert(all.end(), some.begin(), some.begin() + taken);
    }
    return all;
}

}  // namespace

TEST_CASE("ring: bytes sent through it are received through it", "[ring]") {
    const auto made = make_ring(16);
    if (!made) return;
    Ring& ring = *made;
    const Pair pair;
    std::array<char, 16> into{};
    ring.push({.opcode = Opcode::recv, .fd = pair.ends[0], .address = into.data(), .length = 16, .user_data = k_first});
    ring.push({.opcode = Opcode::send, .fd = pair.ends[1], .address = "hello", .length = 5, .user_data = k_first + 1});
    const std::vector<Completion> done = wait_for(ring, 2);
    REQUIRE(done.size() == 2);
    CHECK(done[0].result == 5);
    CHECK(done[1].result == 5);
    CHECK(std::string(into.data()) == "hello");
}

TEST_CASE("ring: more requests than it has entries all complete, once each", "[ring]") {
    const auto made = make_ring(8);
    if (!made) return;
    Ring& ring = *made;
    const Pair pair;
    constexpr std::size_t k_count = 200;
    for (std::size_t i = 0; i < k_count; ++i)
        ring.push({.opcode = Opcode::poll, .fd = pair.ends[0], .flags = POLLOUT, .user_data = k_first + i});
    std::vector<int> seen(k_count);
    for (const Completion& completion : wait_for(ring, k_count)) {
        REQUIRE(completion.user_data - k_first < k_count);
        ++seen[completion.user_data - k_first];
        CHECK((completion.result & POLLOUT) != 0);
    }
    CHECK(std::vector<int>(k_count, 1) == seen);
}

TEST_CASE("ring: an operation in flight is cancelled, and says so", "[ring]") {
    const auto made = make_ring(8);
    if (!made) return;
    Ring& ring = *made;
    const Pair pair;
    std::array<char, 16> into{};
    ring.push({.opcode = Opcode::recv, .fd = pair.ends[0], .address = into.data(), .length = 16, .user_data = k_first});
    ring.submit();
    ring.push({.opcode = Opcode::cancel, .user_data = k_first});
    const std::vector<Completion> done = wait_for(ring, 1);
    REQUIRE(done.size() == 1);
    CHECK(done[0].user_data == k_first);
    CHECK(done[0].result == -ECANCELED);
}

TEST_CASE("ring: the end of a stream is 0, a bad descriptor its errno", "[ring]") {
    const auto made = make_ring(8);
    if (!made) return;
    Ring& ring = *made;
    const Pair pair;
    ::shutdown(pair.ends[1], SHUT_WR);
    std::array<char, 16> into{};
    ring.push({.opcode = Opcode::recv, .fd = pair.ends[0], .address = into.data(), .length = 16, .user_data = k_first});
    ring.push({.opcode = Opcode::recv, .fd = -1, .address = into.data(), .length = 16, .user_data = k_first + 1});
    for (const Completion& completion : wait_for(ring, 2))
        CHECK(completion.result == (completion.user_data == k_first ? 0 : -EBADF));
}

TEST_CASE("ring: a wake from another thread ends the wait, before it or during it", "[ring]") {
    const auto made = make_ring(8);
    if (!made) return;
    Ring& ring = *made;
    // A wake that came first.
    ring.wake();
    std::int64_t until = reeve::now_ns() + k_patience_ns;
    ring.wait(until);
    CHECK(reeve::now_ns() < until);
    std::array<Completion, 4> none;
    CHECK(ring.drain(none.data(), none.size()) == 0);

    for (int i = 0; i < 100; ++i) {
        std::thread other([&] { ring.wake(); });
        until = reeve::now_ns() + k_patience_ns;
        ring.wait(until);
        CHECK(reeve::now_ns() < until);
        CHECK(ring.drain(none.data(), none.size()) == 0);
        other.join();
    }
}

TEST_CASE("ring: waiting ends at the deadline when nothing happens", "[ring]") {
    const auto made = make_ring(8);
    if (!made) return;
    Ring& ring = *made;
    std::array<Completion, 4> none;
    ring.drain(none.data(), none.size());
    const std::int64_t due = reeve::now_ns() + 3'000'000;
    while (reeve::now_ns() < due) ring.wait(due);  // may return early, must return
    CHECK(ring.drain(none.data(), none.size()) == 0);
}

TEST_CASE("ring: a request of one thread completes for another that drains", "[ring]") {
    const auto made = make_ring(8);
    if (!made) return;
    Ring& ring = *made;
    const Pair pair;
    std::array<Completion, 4> none;
    CHECK(ring.drain(none.data(), none.size()) == 0);  // what the ring sent itself when it was made
    std::array<char, 16> into{};
    std::thread other([&] {
        ring.push({.opcode = Opcode::recv, .fd = pair.ends[0], .address = into.data(), .length = 16, .user_data = k_first});
        ring.submit();
        // The thread must outlive its request.
        while (!ring.has_completions()) std::this_thread::yield();
    });
    while (ring.has_unsubmitted() || ::send(pair.ends[1], "x", 1, MSG_NOSIGNAL) != 1) std::this_thread::yield();
    other.join();
    const std::vector<Completion> done = wait_for(ring, 1);
    REQUIRE(done.size() == 1);
    CHECK(done[0].result >= 1);
}
