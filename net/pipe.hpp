// PipeStream: two Streams joined in memory, with faults on demand, so that everything above the seam can be
// tested without a network.
//
//     auto [left, right] = make_pipe();
//     left->set_faults({.write_at_most = 1});      // every write moves one byte
//     left->set_faults({.cut_after = 100});        // the 101st byte is lost; both ends see a reset
//
// Each direction holds up to `capacity` bytes; a full one parks its writer. set_faults() may be called at any
// time from any fiber. The two ends may outlive each other; destroying one closes it. Parks and errors as in
// net/stream.hpp.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <utility>

#include "net/stream.hpp"

namespace reeve::net {

// Of one end: what it reads and what it writes.
struct PipeFaults {
    static constexpr std::size_t k_none = std::numeric_limits<std::size_t>::max();

    std::size_t read_at_most = k_none;   // bytes per read()
    std::size_t write_at_most = k_none;  // bytes per write()
    std::size_t cut_after = k_none;      // bytes written by this end in all; then the connection breaks
    Errc cut_as = Errc::reset;  // what the other end reads after the last byte; eof: a silent truncation
};

class PipeStream final : public Stream {
public:
    ~PipeStream() override;

    Result<std::size_t> read(std::span<std::byte> into, Deadline deadline = {}) override;
    Result<std::size_t> write(std::span<const std::byte> from, Deadline deadline = {}) override;
    Result<void> shutdown_write(Deadline deadline = {}) override;
    void close() override;

    void set_faults(const PipeFaults& faults);
    [[nodiscard]] std::size_t bytes_written() const;  // by this end, since the beginning

private:
    friend std::pair<std::unique_ptr<PipeStream>, std::unique_ptr<PipeStream>> make_pipe(
        std::size_t capacity);
    struct Core;
    PipeStream(std::shared_ptr<Core> core, int side);

    std::shared_ptr<Core> core_;
    int side_;  // 0 or 1: index of the direction this end writes to
};

std::pair<std::unique_ptr<PipeStream>, std::unique_ptr<PipeStream>> make_pipe(
    std::size_t capacity = 64 * 1024);

}  // namespace reeve::net
