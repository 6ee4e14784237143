// Headers: the header fields of one message, an ordered multimap with case-insensitive names.
//
// Idea. All bytes live in one string and the fields are offsets into it, so a parsed head costs two allocations, and
// none on a connection that is reused (clear() keeps the memory). Lookups are linear: heads have ten fields, not a
// thousand.
//
// A value, not shared; never parks. The views handed out live until the next change of the object. What cannot be put
// on the wire safely (a name that is no token, a value with CR, LF or NUL, more than the bounds) is refused: add() and
// set() return false and change nothing, so no caller can be made to inject a header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reeve::http {

// ASCII only, as the protocol's names are.
[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right);

class Headers {
public:
    static constexpr std::size_t k_fields_max = 1024;
    static constexpr std::size_t k_bytes_max = 1024 * 1024;

    struct Field {
        std::string_view name;  // as it was spelled
        std::string_view value;
    };
    class Iterator;

    Headers() = default;
    Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

    // The first field of that name.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
    [[nodiscard]] std::string_view value_or(std::string_view name, std::string_view other = {}) const;
    [[nodiscard]] bool contains(std::string_view name) const { return find(name) != k_none; }
    [[nodiscard]] std::size_t count(std::string_view name) const;
    // Whether the comma-separated list made of all fields of that name has the token (case-insensitive).
    [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;

    bool add(std::string_view name, std::string_view value);
    bool set(std::string_view name, std::string_view value);  // replaces all of that name
    std::size_t remove(std::string_view name);                // returns how many there were
    void clear();                                             // keeps the memory
    void release();                                           // gives the memory back

    [[nodiscard]] std::size_t size() const { return fields_.size(); }
    [[nodiscard]] bool empty() const { return fields_.empty(); }
    [[nodiscard]] Field at(std::size_t index) const;
    [[nodiscard]] Iterator begin() const;
    [[nodiscard]] Iterator end() const;

private:
    friend class Parser;
    friend struct ParserCallbacks;
    static constexpr std::size_t k_none = ~std::size_t{0};

    struct Slot {
        std::uint32_t name;  // offset into bytes_
        std::uint32_t name_bytes;
        std::uint32_t value;
        std::uint32_t value_bytes;
    };

    [[nodiscard]] std::size_t find(std::string_view name, std::size_t from = 0) const;
    void append(std::string_view name, std::string_view value);  // unchecked

    std::string bytes_;
    std::vector<Slot> fields_;
};

class Headers::Iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    using pointer = const Field*;
    using reference = Field;

    Iterator() = default;
    Iterator(const Headers* headers, std::size_t index) : headers_(headers), index_(index) {}
    Field operator*() const { return headers_->at(index_); }
    Iterator& operator++() { return ++index_, *this; }
    Iterator operator++(int) { return Iterator(headers_, index_++); }
    bool operator==(const Iterator& other) const { return index_ == other.index_; }

private:
    const Headers* headers_ = nullptr;
    std::size_t index_ = 0;
};

inline Headers::Iterator Headers::begin() const { return {this, 0}; }
inline Headers::Iterator Headers::end() const { return {this, fields_.size()}; }

}  // namespace reeve::http
