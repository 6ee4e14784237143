// Json: reading and writing JSON. JsonDocument owns a parsed text, Json is a view into it, JsonWriter appends to a string.
//
// Idea. Reading never fails half-way through a chain: a missing member or a wrong type gives a view that is "missing",
// whose members are missing too, so `body["messages"][0]["content"].as_string()` is one check at its end. Parsing is
// iterative and bounded in depth, so a hostile text costs no stack; UTF-8 is checked. Of duplicate names the first
// counts. Writing keeps no tree; what is not UTF-8 is written as U+FFFD, so the result is always valid JSON.
//
// Values; never park. A view lives as long as its document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/base/result.hpp"

namespace reeve::http {

class Json {
public:
    enum class Kind : std::uint8_t { missing, null, boolean, number, string, array, object };

    Json() = default;  // missing

    [[nodiscard]] Kind kind() const;
    [[nodiscard]] bool exists() const { return node_ != nullptr; }
    [[nodiscard]] bool is_null() const { return kind() == Kind::null; }
    [[nodiscard]] bool is_bool() const { return kind() == Kind::boolean; }
    [[nodiscard]] bool is_number() const { return kind() == Kind::number; }
    [[nodiscard]] bool is_string() const { return kind() == Kind::string; }
    [[nodiscard]] bool is_array() const { return kind() == Kind::array; }
    [[nodiscard]] bool is_object() const { return kind() == Kind::object; }

    // No value if the kind is another; as_int also if the number has a fraction or does not fit.
    [[nodiscard]] std::optional<std::string_view> as_string() const;
    [[nodiscard]] std::optional<std::int64_t> as_int() const;
    [[nodiscard]] std::optional<double> as_double() const;
    [[nodiscard]] std::optional<bool> as_bool() const;
    [[nodiscard]] std::string_view string_or(std::string_view other) const { return as_string().value_or(other); }
    [[nodiscard]] std::int64_t int_or(std::int64_t other) const { return as_int().value_or(other); }
    [[nodiscard]] double double_or(double other) const { return as_double().value_or(other); }
    [[nodiscard]] bool bool_or(bool other) const { return as_bool().value_or(other); }

    // Elements or members; 0 for everything else.
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] Json operator[](std::string_view name) const;    // of an object
    [[nodiscard]] Json operator[](std::size_t index) const;        // of an array
    [[nodiscard]] bool contains(std::string_view name) const { return (*this)[name].exists(); }
    // In order of the text: the n-th member of an object.
    [[nodiscard]] std::string_view member_name(std::size_t index) const;
    [[nodiscard]] Json member_value(std::size_t index) const;

    // Appends this value as compact JSON.
    void append_to(std::string& out) const;
    [[nodiscard]] std::string text() const;

private:
    friend class JsonDocument;
    explicit Json(const void* node) : node_(node) {}
    const void* node_ = nullptr;
};

class JsonDocument {
public:
    static constexpr std::size_t k_depth_max = 128;

    // Errors: malformed, too_large (too deep). `message`, if given, receives what is wrong and where, in English.
    static Result<JsonDocument> parse(std::string_view text, std::string* message = nullptr,
                                      std::size_t depth_max = k_depth_max);

    JsonDocument(JsonDocument&&) noexcept;
    JsonDocument& operator=(JsonDocument&&) noexcept;
    ~JsonDocument();

    [[nodiscard]] Json root() const;
    [[nodiscard]] Json operator[](std::string_view name) const { return root()[name]; }

private:
    struct State;
    explicit JsonDocument(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Appends a quoted, escaped JSON string.
void append_json_string(std::string& out, std::string_view text);

// Appends JSON to `out`, placing commas by itself. Keys and values must alternate as JSON wants; a debug build checks.
class JsonWriter {
public:
    explicit JsonWriter(std::string& out) : out_(out) {}

    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view name);

    JsonWriter& string(std::string_view text);
    JsonWriter& number(double value);  // not a number and infinite become null
    JsonWriter& boolean(bool value);
    JsonWriter& null();
    JsonWriter& raw(std::string_view json);  // JSON that is formatted already
    JsonWriter& value(const Json& json);
    template <class T>
        requires std::is_integral_v<T>
    JsonWriter& number(T value) {
        static_assert(!std::is_same_v<T, bool>);
        if constexpr (std::is_signed_v<T>)
            return integer(static_cast<std::int64_t>(value));
        else
            return unsigned_integer(static_cast<std::uint64_t>(value));
    }

    // One member: key(name) and the value.
    JsonWriter& member(std::string_view name, std::string_view text) { return key(name).string(text); }
    JsonWriter& member(std::string_view name, const char* text) { return key(name).string(text); }
    JsonWriter& member(std::string_view name, const std::string& text) { return key(name).string(text); }
    JsonWriter& member(std::string_view name, bool value) { return key(name).boolean(value); }
    JsonWriter& member(std::string_view name, std::nullptr_t) { return key(name).null(); }
    template <class T>
        requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
    JsonWriter& member(std::string_view name, T value) {
        return key(name).number(value);
    }

private:
    JsonWriter& integer(std::int64_t value);
    JsonWriter& unsigned_integer(std::uint64_t value);
    void separate();

    std::string& out_;
    bool comma_ = false;
};

}  // namespace reeve::http
