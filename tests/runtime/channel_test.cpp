// Channel: order, hand-over, closing, deadlines, cancellation, exact counts under many senders and receivers.
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/runtime.hpp"
#include "tests/support/reeve_test.hpp"

using namespace std::chrono_literals;
using reeve::Channel;
using reeve::Errc;

REEVE_TEST("channel: values arrive in the order they were sent", "[channel]") {
    for (const std::size_t capacity : {0u, 1u, 7u}) {
        Channel<int> channel(capacity);
        auto sender = reeve::spawn([channel] {
            for (int i = 0; i < 1000; ++i)
                if (!channel.send(i)) return false;
            channel.close();
            return true;
        });
        int next = 0;
        for (const int value : channel) REEVE_EXPECT(value == next++);
        REEVE_EXPECT(next == 1000);
        REEVE_EXPECT(sender.join());
    }
}

REEVE_TEST("channel: an unbuffered send waits for its receiver", "[channel]") {
    Channel<int> channel;
    REEVE_EXPECT(!channel.try_send(1));
    REEVE_EXPECT(channel.send(1, 1ms).error() == Errc::timed_out);
    auto receiver = reeve::spawn([channel] { return channel.recv().value_or(0); });
    REEVE_EXPECT(channel.send(2));
    REEVE_EXPECT(receiver.join() == 2);
}

REEVE_TEST("channel: a buffer takes as many as it holds", "[channel]") {
    Channel<int> channel(2);
    REEVE_EXPECT(channel.try_send(1));
    REEVE_EXPECT(channel.try_send(2));
    REEVE_EXPECT(!channel.try_send(3));
    REEVE_EXPECT(channel.try_recv() == 1);
    REEVE_EXPECT(channel.try_recv() == 2);
    REEVE_EXPECT(!channel.try_recv().has_value());
}

REEVE_TEST("channel: close wakes every waiting receiver", "[channel]") {
    Channel<int> channel;
    std::vector<reeve::Join<bool>> receivers;
    for (int i = 0; i < 20; ++i)
        receivers.push_back(reeve::spawn([channel] { return channel.recv().error() == Errc::closed; }));
    (void)reeve::sleep_for(1ms);
    channel.close();
    for (auto& receiver : receivers) REEVE_EXPECT(receiver.join());
}

REEVE_TEST("channel: close wakes every waiting sender", "[channel]") {
    Channel<int> channel;
    std::vector<reeve::Join<bool>> senders;
    for (int i = 0; i < 20; ++i)
        senders.push_back(reeve::spawn([channel, i] { return channel.send(i).error() == Errc::closed; }));
    (void)reeve::sleep_for(1ms);
    channel.close();
    for (auto& sender : senders) REEVE_EXPECT(sender.join());
}

// In batches: those of the first have let go of the channel when the last are woken. Seen failing with close() making one batch.
REEVE_TEST("channel: close wakes hundreds, some of whom give up at that moment", "[channel]") {
    constexpr int k_waiters = 300;
    for (int round = 0; round < 5; ++round) {
        auto channel = std::make_shared<Channel<int>>();
        std::atomic<int> waiting{0};
        std::atomic<int> closed{0};
        std::atomic<int> late{0};
        std::vector<reeve::Join<void>> waiters;
        for (int i = 0; i < k_waiters; ++i)
            waiters.push_back(reeve::spawn([&waiting, &closed, &late, channel, i] {
                ++waiting;
                const auto limit = i % 3 == 0 ? reeve::Deadline::in(std::chrono::microseconds(i)) : reeve::Deadline::never();
                const auto result = channel->recv(limit);
                ++(result.error() == Errc::closed ? closed : late);
            }));
        while (waiting < k_waiters) reeve::this_fiber::yield();
        const Channel<int>& last = *channel;
        auto closer = reeve::spawn([&last] { last.close(); });
        channel.reset();
        for (auto& waiter : waiters) waiter.join();
        closer.join();
        REEVE_EXPECT(closed + late == k_waiters);
        REEVE_EXPECT(closed >= k_waiters - k_waiters / 3);
    }
}

REEVE_TEST("channel: what was buffered can be received after close, then it is closed", "[channel]") {
    Channel<int> channel(3);
    REEVE_EXPECT(channel.send(1));
    REEVE_EXPECT(channel.send(2));
    channel.close();
    channel.close();
    REEVE_EXPECT(channel.send(3).error() == Errc::closed);
    REEVE_EXPECT(channel.recv().value_or(0) == 1);
    REEVE_EXPECT(channel.recv().value_or(0) == 2);
    REEVE_EXPECT(channel.recv().error() == Errc::closed);
}

REEVE_TEST("channel: a deadline passes, and the channel is as before", "[channel]") {
    Channel<int> channel;
    for (int i = 0; i < 5; ++i) REEVE_EXPECT(channel.recv(1ms).error() == Errc::timed_out);
    auto sender = reeve::spawn([channel] { return channel.send(4).has_value(); });
    REEVE_EXPECT(channel.recv(20s).value_or(0) == 4);
    REEVE_EXPECT(sender.join());
}

REEVE_TEST("channel: a cancelled fiber's recv ends, and every later one at once", "[channel]") {
    Channel<int> channel;
    auto receiver = reeve::spawn([channel] {
        const bool first = channel.recv().error() == Errc::cancelled;
        const bool second = channel.recv().error() == Errc::cancelled;
        return first && second;
    });
    (void)reeve::sleep_for(1ms);
    receiver.cancel();
    REEVE_EXPECT(receiver.join());
}

REEVE_TEST("channel: a value that cannot be copied is moved through", "[channel]") {
    Channel<std::unique_ptr<int>> channel;
    auto sender = reeve::spawn([channel] { (void)channel.send(std::make_unique<int>(6)); });
    auto received = channel.recv();
    if (!REEVE_EXPECT(received)) return;
    REEVE_EXPECT(**received == 6);
}

// Seen failing with the destructor of the buffer not destroying what is left: a use too many.
REEVE_TEST("channel: values that nobody received go with the channel", "[channel]") {
    const auto value = std::make_shared<int>(3);
    for (int taken = 0; taken < 5; ++taken) {
        Channel<std::shared_ptr<int>> channel(3);
        for (int i = 0; i < 3; ++i) REEVE_EXPECT(channel.try_send(value));
        for (int i = 0; i < taken && i < 3; ++i) REEVE_EXPECT(channel.try_recv().has_value());
        for (int i = 0; i < taken - 1; ++i) (void)channel.try_send(value);  // round the end
    }
    REEVE_EXPECT(value.use_count() == 1);
}

REEVE_TEST("channel: many senders and receivers, each value exactly once", "[channel]") {
    for (const std::size_t capacity : {0u, 5u}) {
        constexpr int k_senders = 8;
        constexpr int k_each = 1'000;
        Channel<int> channel(capacity);
        std::vector<std::atomic<int>> seen(k_senders * k_each);
        std::vector<reeve::Join<void>> receivers;
        for (int i = 0; i < 5; ++i)
            receivers.push_back(reeve::spawn([channel, &seen] {
                for (const int value : channel) seen[static_cast<std::size_t>(value)].fetch_add(1);
            }));
        std::vector<reeve::Join<void>> senders;
        for (int s = 0; s < k_senders; ++s)
            senders.push_back(reeve::spawn([channel, s] {
                for (int i = 0; i < k_each; ++i) (void)channel.send(s * k_each + i);
            }));
        for (auto& sender : senders) sender.join();
        channel.close();
        for (auto& receiver : receivers) receiver.join();
        int wrong = 0;
        for (const auto& times : seen) wrong += times.load() == 1 ? 0 : 1;
        REEVE_EXPECT(wrong == 0);
    }
}

REEVE_TEST("channel: deadlines racing with senders lose nothing and double nothing", "[channel]") {
    constexpr int k_count = 3'000;
    Channel<int> channel;
    std::atomic<int> sent{0};
    auto sender = reeve::spawn([&, channel] {
        for (int i = 0; i < k_count; ++i) {
            // A send that times out gave its value up; everything else must arrive.
            if (channel.send(i, std::chrono::microseconds(i % 50))) ++sent;
        }
        channel.close();
    });
    int received = 0;
    for (int i = 0;; ++i) {
        const auto value = channel.recv(std::chrono::microseconds(i % 40));
        if (value) ++received;
        if (!value && value.error() == Errc::closed) break;
    }
    sender.join();
    REEVE_EXPECT(received == sent.load());
}

REEVE_TEST("channel: from a plain OS thread both ways", "[channel]") {
    Channel<int> there;
    Channel<int> back;
    std::thread thread([there, back] {
        for (const int value : there) (void)back.send(value * 2);
    });
    for (int i = 0; i < 100; ++i) {
        REEVE_EXPECT(there.send(i));
        REEVE_EXPECT(back.recv().value_or(-1) == 2 * i);
    }
    there.close();
    reeve::blocking([&] { thread.join(); });
}

TEST_CASE("channel: between plain threads without a runtime", "[channel]") {
    Channel<int> channel;
    std::thread thread([channel] {
        for (int i = 0; i < 100; ++i) (void)channel.send(i);
        channel.close();
    });
    int sum = 0;
    for (const int value : channel) sum += value;
    thread.join();
    CHECK(sum == 4950);
    CHECK(channel.recv(1ms).error() == Errc::closed);
}
