// Character classes and small text helpers of the HTTP grammar (RFC 9110 section 5, RFC 3986). Internal.
//
// One table lookup per byte; ASCII only, independent of the locale. Never parks, any thread.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace reeve::http {

enum CharClass : std::uint8_t {
    k_token = 1,   // method and field names
    k_value = 2,   // field values: visible ASCII, space, tab, and bytes above 127
    k_target = 4,  // request targets: visible ASCII but '#'
    k_unreserved = 8,
    k_hex = 16,
};

constexpr std::array<std::uint8_t, 256> make_char_classes() {
    std::array<std::uint8_t, 256> table{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool digit = c >= '0' && c <= '9';
        unsigned bits = 0;
        if (alpha || digit || (c < 128 && c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) !=
                                                        std::string_view::npos))
            bits |= k_token;
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) bits |= k_value;
        if (c > 0x20 && c < 0x7f && c != '#') bits |= k_target;
        if (alpha || digit || c == '-' || c == '.' || c == '_' || c == '~') bits |= k_unreserved;
        if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= k_hex;
        table[c] = static_cast<std::uint8_t>(bits);
    }
    return table;
}
inline constexpr std::array<std::uint8_t, 256> k_char_classes = make_char_classes();

constexpr bool has_class(char c, CharClass wanted) {
    return (k_char_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}
constexpr bool is_token_char(char c) { return has_class(c, k_token); }
constexpr bool is_value_char(char c) { return has_class(c, k_value); }

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Without the spaces and tabs around it.
constexpr std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Not snprintf: these run below parked handlers, where stack is memory.
template <class Number>
void append_number(std::string& out, Number value, int base = 10) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base);
    out.append(digits, end.ptr);
}

// The whole text as a decimal number; false if it is anything else.
template <class Number>
bool parse_number(std::string_view text, Number& out) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
    return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

}  // namespace reeve::http
