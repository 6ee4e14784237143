#include "net/pipe.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/condition.hpp"
#include "runtime/mutex.hpp"

namespace reeve::net {

// One lock for both directions: tests are not about speed, and close() concerns both.
struct PipeStream::Core {
    struct Direction {
        std::string bytes;                // written and not yet read
        std::size_t written = 0;          // since the beginning
        PipeFaults faults;                // of the end that writes here
        std::optional<Error> write_ends;  // for the writer, at once
        std::optional<Error> read_ends;   // for the reader, after the last byte
        bool is_reader_closed = false;
        Condition changed;
    };

    explicit Core(std::size_t bytes) : capacity(bytes) {}

    mutable Mutex mutex;
    std::array<Direction, 2> directions;  // [side]: written by that side
    std::size_t capacity;

    // lock held: mutex
    void cut(std::size_t side) {
        const Errc code = directions[side].faults.cut_as;
        directions[side].write_ends = Error(Errc::reset, "pipe write");
        directions[side].read_ends = Error(code, "pipe read");
        directions[1 - side].write_ends = Error(Errc::reset, "pipe write");
        directions[1 - side].read_ends = Error(code, "pipe read");
        for (Direction& direction : directions) direction.changed.notify_all();
    }
};

PipeStream::PipeStream(std::shared_ptr<Core> core, int side) : core_(std::move(core)), side_(side) {}

PipeStream::~PipeStream() { close(); }

Result<std::size_t> PipeStream::read(std::span<std::byte> into, Deadline deadline) {
    if (into.empty()) return std::size_t{0};
    const auto side = static_cast<std::size_t>(side_);
    Core::Direction& from = core_->directions[1 - side];
    std::unique_lock lock(core_->mutex);
    for (;;) {
        if (from.is_reader_closed) return Error(Errc::closed, "pipe read");
        if (!from.bytes.empty()) break;
        if (from.read_ends) return *from.read_ends;
        if (const Result<void> waited = from.changed.wait(lock, deadline); !waited)
            return Error(waited.error().code(), "pipe read");
    }
    const std::size_t limit = std::max<std::size_t>(core_->directions[side].faults.read_at_most, 1);
    const std::size_t bytes = std::min({into.size(), from.bytes.size(), limit});
    std::copy_n(std::as_bytes(std::span(from.bytes)).begin(), bytes, into.begin());
    from.bytes.erase(0, bytes);
    from.changed.notify_all();
    return bytes;
}

Result<std::size_t> PipeStream::write(std::span<const std::byte> from, Deadline deadline) {
    if (from.empty()) return std::size_t{0};
    const auto side = static_cast<std::size_t>(side_);
    Core::Direction& to = core_->directions[side];
    std::unique_lock lock(core_->mutex);
    for (;;) {
        if (to.written >= to.faults.cut_after) core_->cut(side);
        if (to.write_ends) return *to.write_ends;
        if (to.bytes.size() < core_->capacity) break;
        if (const Result<void> waited = to.changed.wait(lock, deadline); !waited)
            return Error(waited.error().code(), "pipe write");
    }
    const std::size_t limit = std::max<std::size_t>(to.faults.write_at_most, 1);
    const std::size_t bytes =
        std::min({from.size(), core_->capacity - to.bytes.size(), limit, to.faults.cut_after - to.written});
    to.bytes.append(reinterpret_cast<const char*>(from.data()), bytes);
    to.written += bytes;
    if (to.written == to.faults.cut_after) core_->cut(side);
    to.changed.notify_all();
    return bytes;
}

Result<void> PipeStream::shutdown_write(Deadline) {
    Core::Direction& to = core_->directions[static_cast<std::size_t>(side_)];
    const std::unique_lock lock(core_->mutex);
    if (to.write_ends && *to.write_ends == Errc::reset) return *to.write_ends;
    if (to.write_ends) return {};
    to.write_ends = Error(Errc::closed, "pipe write after shutdown");
    to.read_ends = Error(Errc::eof, "pipe read");
    to.changed.notify_all();
    return {};
}

void PipeStream::close() {
    const auto side = static_cast<std::size_t>(side_);
    Core::Direction& out = core_->directions[side];
    Core::Direction& in = core_->directions[1 - side];
    const std::unique_lock lock(core_->mutex);
    if (in.is_reader_closed) return;
    in.is_reader_closed = true;
    in.write_ends = Error(Errc::reset, "pipe write");
    out.write_ends = Error(Errc::closed, "pipe write");
    if (!out.read_ends) out.read_ends = Error(Errc::eof, "pipe read");
    out.changed.notify_all();
    in.changed.notify_all();
}

void PipeStream::set_faults(const PipeFaults& faults) {
    const std::unique_lock lock(core_->mutex);
    core_->directions[static_cast<std::size_t>(side_)].faults = faults;
}

std::size_t PipeStream::bytes_written() const {
    const std::unique_lock lock(core_->mutex);
    return core_->directions[static_cast<std::size_t>(side_)].written;
}

std::pair<std::unique_ptr<PipeStream>, std::unique_ptr<PipeStream>> make_pipe(std::size_t capacity) {
    REEVE_CHECK(capacity > 0);
    auto core = std::make_shared<PipeStream::Core>(capacity);
    return {std::unique_ptr<PipeStream>(new PipeStream(core, 0)),
            std::unique_ptr<PipeStream>(new PipeStream(core, 1))};
}

}  // namespace reeve::net
