#include "http/headers.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace reeve::http {

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i)
        if (left[i] != right[i] && to_lower(left[i]) != to_lower(right[i])) return false;
    return true;
}

Headers::Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
    for (const auto& [name, value] : fields) add(name, value);
}

std::size_t Headers::find(std::string_view name, std::size_t from) const {
    for (std::size_t i = from; i < fields_.size(); ++i)
        if (fields_[i].name_bytes == name.size() && equal_ignoring_case(at(i).name, name)) return i;
    return k_none;
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
    const std::size_t index = find(name);
    if (index == k_none) return std::nullopt;
    return at(index).value;
}

std::string_view Headers::value_or(std::string_view name, std::string_view other) const {
    const std::size_t index = find(name);
    return index == k_none ? other : at(index).value;
}

std::size_t Headers::count(std::string_view name) const {
    std::size_t found = 0;
    for (std::size_t i = find(name); i != k_none; i = find(name, i + 1)) ++found;
    return found;
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
    for (std::size_t i = find(name); i != k_none; i = find(name, i + 1)) {
        std::string_view rest = at(i).value;
        while (!rest.empty()) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return false;
}

void Headers::append(std::string_view name, std::string_view value) {
    Slot slot;
    slot.name = static_cast<std::uint32_t>(bytes_.size());
    slot.name_bytes = static_cast<std::uint32_t>(name.size());
    slot.value = slot.name + slot.name_bytes;
    slot.value_bytes = static_cast<std::uint32_t>(value.size());
    bytes_.append(name).append(value);
    fields_.push_back(slot);
}

bool Headers::add(std::string_view name, std::string_view value) {
    value = trim(value);
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_token_char)) return false;
    if (!std::all_of(value.begin(), value.end(), is_value_char)) return false;
    if (fields_.size() >= k_fields_max || bytes_.size() + name.size() + value.size() > k_bytes_max) return false;
    const std::size_t before = reinterpret_cast<std::uintptr_t>(bytes_.data());
    const std::size_t source = reinterpret_cast<std::uintptr_t>(value.data());
    if (source >= before && source < before + bytes_.size())  // a value of our own, moved by the append
        append(name, std::string(value));
    else
        append(name, value);
    return true;
}

bool Headers::set(std::string_view name, std::string_view value) {
    const std::string kept(value);  // may be a view into what remove() moves
    const std::string kept_name(name);
    Headers probe;
    if (!probe.add(kept_name, kept)) return false;
    remove(kept_name);
    return add(kept_name, kept);
}

std::size_t Headers::remove(std::string_view name) {
    if (!contains(name)) return 0;
    const std::string wanted(name);
    Headers rest;
    for (const Field field : *this)
        if (!equal_ignoring_case(field.name, wanted)) rest.append(field.name, field.value);
    const std::size_t removed = size() - rest.size();
    *this = std::move(rest);
    return removed;
}

void Headers::clear() {
    bytes_.clear();
    fields_.clear();
}

void Headers::release() { *this = Headers(); }

Headers::Field Headers::at(std::size_t index) const {
    const Slot& slot = fields_[index];
    const std::string_view all = bytes_;
    return {all.substr(slot.name, slot.name_bytes), all.substr(slot.value, slot.value_bytes)};
}

}  // namespace reeve::http
