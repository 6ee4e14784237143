#include <charconv>
#include <cmath>

#include "http/json.hpp"
#include "http/text.hpp"

namespace reeve::http {

// The length of the well-formed UTF-8 sequence at `at`, or 0: overlong forms, surrogates and what lies beyond U+10FFFF
// are not well-formed (Unicode, table 3-7).
static std::size_t utf8_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned first = byte(at);
    const unsigned second = byte(at + 1);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return tail(at + 1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const bool ok = first == 0xe0 ? second >= 0xa0 && second <= 0xbf
                      : first == 0xed ? second >= 0x80 && second <= 0x9f
                                      : tail(at + 1);
        return ok && tail(at + 2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool ok = first == 0xf0 ? second >= 0x90 && second <= 0xbf
                      : first == 0xf4 ? second >= 0x80 && second <= 0x8f
                                      : tail(at + 1);
        return ok && tail(at + 2) && tail(at + 3) ? 4 : 0;
    }
    return 0;
}

static void append_escaped(std::string& out, char c) {
    switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        default:
            constexpr std::string_view digits = "0123456789abcdef";
            out += "\\u00";
            out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
            out.push_back(digits[static_cast<unsigned char>(c) & 15]);
    }
}

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    std::size_t plain = 0;  // start of the run that needs no change
    std::size_t at = 0;
    while (at < text.size()) {
        const auto c = static_cast<unsigned char>(text[at]);
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            ++at;
            continue;
        }
        const std::size_t length = c < 0x80 ? 0 : utf8_length(text, at);
        if (length > 0) {
            at += length;
            continue;
        }
        out.append(text.substr(plain, at - plain));
        if (c < 0x80)
            append_escaped(out, text[at]);
        else
            out += "\xef\xbf\xbd";
        plain = ++at;
    }
    out.append(text.substr(plain));
    out.push_back('"');
}

void JsonWriter::separate() {
    if (comma_) out_.push_back(',');
    comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
    separate();
    out_.push_back('{');
    comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    out_.push_back('}');
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    separate();
    out_.push_back('[');
    comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    out_.push_back(']');
    comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    append_json_string(out_, name);
    out_.push_back(':');
    comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
    separate();
    append_json_string(out_, text);
    return *this;
}

JsonWriter& JsonWriter::number(double value) {
    if (!std::isfinite(value)) return null();
    separate();
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    out_.append(digits, end.ptr);
    return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
    separate();
    append_number(out_, value);
    return *this;
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t value) {
    separate();
    append_number(out_, value);
    return *this;
}

JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }

JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    out_.append(json);
    return *this;
}

JsonWriter& JsonWriter::value(const Json& json) {
    separate();
    json.append_to(out_);
    return *this;
}

}  // namespace reeve::http
