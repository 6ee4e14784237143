// What the tests of streams share: recognisable bytes, and reading until there is no more.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "net/stream.hpp"

namespace reeve::test {

// Bytes in which a lost, doubled or exchanged piece shows.
inline std::string pattern(std::size_t bytes, std::size_t seed = 0) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('!' + (i + seed + i / 89 * 7) % 90);
    return text;
}

struct Received {
    std::string text;
    Errc end = Errc::os;
    std::size_t largest_read = 0;
};

inline Received read_to_end(net::Stream& stream, Deadline deadline = {}) {
    Received received;
    std::string buffer(16 * 1024, '\0');
    for (;;) {
        const auto got = stream.read(std::as_writable_bytes(std::span(buffer)), deadline);
        if (!got) {
            received.end = got.error().code();
            return received;
        }
        received.text.append(buffer, 0, *got);
        received.largest_read = std::max(received.largest_read, *got);
    }
}

// Exactly `bytes`, or fewer if the stream ends.
inline std::string read_exactly(net::Stream& stream, std::size_t bytes, Deadline deadline = {}) {
    std::string text(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
        const auto got = stream.read(std::as_writable_bytes(std::span(text)).subspan(have), deadline);
        if (!got) break;
        have += *got;
    }
    text.resize(have);
    return text;
}

// Sends back what comes in until the end, then ends too.
inline void echo(net::Stream& stream) {
    std::array<std::byte, 512> buffer;
    for (;;) {
        const auto got = stream.read(buffer);
        if (!got) break;
        if (!stream.write_all(std::span<const std::byte>(buffer).first(*got))) return;
    }
    (void)stream.shutdown_write();
}

}  // namespace reeve::test
