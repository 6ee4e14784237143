#include "http/date.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace reeve::http {

static constexpr std::size_t k_date_bytes = 29;
static constexpr std::size_t k_words = 4;

static std::atomic<std::uint32_t> sequence{0};  // odd while somebody publishes
static std::atomic<std::int64_t> cached_second{-1};
static std::atomic<std::uint64_t> cached_text[k_words];

static void format_date(std::time_t second, char* out) {
    constexpr char days[] = "SunMonTueWedThuFriSat";
    constexpr char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    std::tm utc{};
    gmtime_r(&second, &utc);
    const auto two = [](char* at, int value) {
        at[0] = static_cast<char>('0' + value / 10 % 10);
        at[1] = static_cast<char>('0' + value % 10);
    };
    std::memcpy(out, "Xxx, 00 Xxx 0000 00:00:00 GMT", k_date_bytes);
    std::memcpy(out, days + 3 * utc.tm_wday, 3);
    two(out + 5, utc.tm_mday);
    std::memcpy(out + 8, months + 3 * utc.tm_mon, 3);
    two(out + 12, (utc.tm_year + 1900) / 100);
    two(out + 14, (utc.tm_year + 1900) % 100);
    two(out + 17, utc.tm_hour);
    two(out + 20, utc.tm_min);
    two(out + 23, utc.tm_sec);
}

void append_date(std::string& out) {
    std::timespec now{};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    std::uint64_t words[k_words] = {};

    const std::uint32_t before = sequence.load(std::memory_order_acquire);
    if (before % 2 == 0 && cached_second.load(std::memory_order_acquire) == now.tv_sec) {
        for (std::size_t i = 0; i < k_words; ++i) words[i] = cached_text[i].load(std::memory_order_acquire);
        // Pairs with the publisher's odd store: words of a newer second are seen only with a newer sequence.
        if (sequence.load(std::memory_order_relaxed) == before) {
            out.append(reinterpret_cast<const char*>(words), k_date_bytes);
            return;
        }
    }

    format_date(now.tv_sec, reinterpret_cast<char*>(words));
    out.append(reinterpret_cast<const char*>(words), k_date_bytes);
    std::uint32_t even = before & ~1u;
    if (!sequence.compare_exchange_strong(even, even + 1, std::memory_order_acquire)) return;
    // Release on each word: a reader that sees one of them also sees the odd sequence number.
    cached_second.store(now.tv_sec, std::memory_order_release);
    for (std::size_t i = 0; i < k_words; ++i) cached_text[i].store(words[i], std::memory_order_release);
    sequence.store(even + 2, std::memory_order_release);
}

}  // namespace reeve::http
