#include "net/pipe.hpp"

#include <chrono>
#include <string>

#include "runtime/go.hpp"
#include "tests/net/stream_help.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using namespace reeve::test;
using reeve::Errc;
using reeve::net::make_pipe;

REEVE_TEST("pipe: bytes arrive in order and then the end", "[pipe]") {
    auto [left, right] = make_pipe(100);
    auto writer = reeve::spawn([&left = left] {
        REEVE_EXPECT(left->write_all(pattern(10'000)));
        REEVE_EXPECT(left->shutdown_write());
    });
    const Received got = read_to_end(*right);
    writer.join();
    REEVE_EXPECT(got.text == pattern(10'000));
    REEVE_EXPECT(got.end == Errc::eof);
    REEVE_EXPECT(left->bytes_written() == 10'000);
}

REEVE_TEST("pipe: short reads and writes lose nothing", "[pipe]") {
    auto [left, right] = make_pipe();
    left->set_faults({.write_at_most = 3});
    right->set_faults({.read_at_most = 2});
    auto writer = reeve::spawn([&left = left] {
        REEVE_EXPECT(left->write_all(pattern(1000)).bytes == 1000);
        left->close();
    });
    const Received got = read_to_end(*right);
    writer.join();
    REEVE_EXPECT(got.text == pattern(1000));
    REEVE_EXPECT(got.largest_read == 2);
}

REEVE_TEST("pipe: a cut loses what comes after it and both ends see it", "[pipe]") {
    auto [left, right] = make_pipe();
    left->set_faults({.cut_after = 10});
    const reeve::Transfer sent = left->write_all(pattern(20));
    REEVE_EXPECT(sent.bytes == 10);
    REEVE_EXPECT(!sent && sent.error() == Errc::reset);
    const Received got = read_to_end(*right);
    REEVE_EXPECT(got.text == pattern(20).substr(0, 10));
    REEVE_EXPECT(got.end == Errc::reset);
    REEVE_EXPECT(right->write_all("x").error() == Errc::reset);
}

REEVE_TEST("pipe: a cut shows as soon as the last byte was delivered", "[pipe]") {
    auto [left, right] = make_pipe();
    left->set_faults({.cut_after = 10});
    REEVE_EXPECT(left->write_all(pattern(10)));
    const Received got = read_to_end(*right, 10s);
    REEVE_EXPECT(got.text.size() == 10);
    REEVE_EXPECT(got.end == Errc::reset);
}

REEVE_TEST("pipe: a cut may look like an orderly end", "[pipe]") {
    auto [left, right] = make_pipe();
    left->set_faults({.cut_after = 10, .cut_as = Errc::eof});
    (void)left->write_all(pattern(20));
    REEVE_EXPECT(read_to_end(*right).end == Errc::eof);
}

REEVE_TEST("pipe: a reader that waits is woken by close and by its deadline", "[pipe]") {
    auto [left, right] = make_pipe();
    std::byte buffer[8];
    REEVE_EXPECT(right->read(buffer, 1ms).error() == Errc::timed_out);
    auto reader = reeve::spawn([&right = right] {
        std::byte into[8];
        return right->read(into).error().code();
    });
    right->close();
    REEVE_EXPECT(reader.join() == Errc::closed);
    REEVE_EXPECT(left->write_all("x").error() == Errc::reset);
}

REEVE_TEST("pipe: a full direction holds its writer up until the deadline", "[pipe]") {
    auto [left, right] = make_pipe(4);
    const reeve::Transfer sent = left->write_all("123456", 1ms);
    REEVE_EXPECT(sent.bytes == 4);
    REEVE_EXPECT(!sent && sent.error() == Errc::timed_out);
}
