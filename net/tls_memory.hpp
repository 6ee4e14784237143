// TlsMemory: the two buffers between a TLS engine and its transport, in the shape the engine wants (a BIO).
//
// Idea. The engine's reads are served from what was fed in, its writes are collected; neither ever waits. In
// place of OpenSSL's own memory BIOs because those never give memory back: a million idle connections would
// keep the size of their largest record each. Here the incoming buffer is small until a delivery fills it,
// and goes back to small with the first delivery that does not; the outgoing one is gone once it was taken.
//
// Not synchronised: the TlsStream's mutex guards it, except that the reader may fill space() without the
// mutex, which is sound because the engine looks only at bytes that were committed. Never parks.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

struct bio_st;

namespace reeve::net {

class TlsMemory {
public:
    TlsMemory() = default;
    TlsMemory(const TlsMemory&) = delete;
    TlsMemory& operator=(const TlsMemory&) = delete;

    // A new BIO over this object, which must outlive it; null: out of memory.
    bio_st* make_bio();

    // Where the next delivery of the transport goes. Only when everything committed has been consumed.
    std::span<std::byte> space();
    void commit(std::size_t bytes);
    [[nodiscard]] bool is_consumed() const { return begin_ == end_; }

    // What the engine produced since the last call.
    [[nodiscard]] std::string take_outgoing() { return std::exchange(outgoing_, {}); }
    [[nodiscard]] bool has_outgoing() const { return !outgoing_.empty(); }

    std::size_t consume(std::byte* into, std::size_t bytes);  // for the BIO
    void produce(const char* bytes, std::size_t count);       // for the BIO

private:
    // Small: alerts, handshake messages and most events of a stream. Large: one record of 16 KB and its
    // frame.
    static constexpr std::size_t k_small_bytes = 1024;
    static constexpr std::size_t k_large_bytes = 17 * 1024;

    std::unique_ptr<std::byte[]> incoming_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool was_filled_ = false;
    std::string outgoing_;
};

}  // namespace reeve::net
