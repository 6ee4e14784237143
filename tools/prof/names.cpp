#include "tools/prof/names.hpp"

#include <cctype>

namespace reeve::prof {
namespace {

// Longer template arguments are shown as "...".
constexpr std::size_t k_arguments_max = 32;

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The position after the bracket that closes the one at `open`; the end if there is none.
std::size_t past_matching(std::string_view text, std::size_t open) {
    int depth = 0;
    for (std::size_t i = open; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '(' || c == '<' || c == '{' || c == '[') ++depth;
        // "->" closes nothing.
        const bool is_arrow = c == '>' && i > 0 && text[i - 1] == '-';
        if (c == ')' || (c == '>' && !is_arrow) || c == '}' || c == ']') --depth;
        if (depth == 0) return i + 1;
    }
    return text.size();
}

// "operator<", "operator()" and their kin: symbols that are a name, not brackets.
std::size_t past_operator(std::string_view text, std::size_t after_word) {
    std::size_t i = after_word;
    if (text.substr(i).starts_with("()") || text.substr(i).starts_with("[]")) return i + 2;
    while (i < text.size() && std::string_view("<>=-!+*/%&|^~,").find(text[i]) != std::string_view::npos) ++i;
    return i;
}

}  // namespace

std::string shortened(std::string_view name) {
    if (const auto clone = name.find(" [clone"); clone != std::string_view::npos)
        name = name.substr(0, clone);
    // What the compiler split off or specialised is still that function; in C the demangler leaves the suffix
    // alone.
    for (const std::string_view suffix : {".part.", ".isra.", ".constprop.", ".lto_priv."})
        if (const auto at = name.find(suffix); at != std::string_view::npos) name = name.substr(0, at);
    std::string out;
    for (std::size_t i = 0; i < name.size();) {
        const char c = name[i];
        if (name.substr(i).starts_with("operator") && (i == 0 || !is_word(name[i - 1])) &&
            (i + 8 == name.size() || !is_word(name[i + 8]))) {
            const std::size_t end = past_operator(name, i + 8);
            out += name.substr(i, end - i);
            i = end;
        } else if (name.substr(i).starts_with("(anonymous namespace)")) {
            out += "(anonymous)";
            i += 21;
        } else if (c == '(') {
            i = past_matching(name, i);
            // What follows the parameters of the outermost function is qualifiers, unless another scope
            // follows.
            if (name.substr(i).starts_with(" const")) i += 6;
        } else if (c == '<') {
            const std::size_t end = past_matching(name, i);
            if (end - i > k_arguments_max)
                out += "<...>";
            else
                out += name.substr(i, end - i);
            i = end;
        } else if (c == '{') {
            const std::size_t end = past_matching(name, i);
            // "{lambda(int)#2}" and "{closure}": only the number tells two apart.
            const std::string_view inner = name.substr(i, end - i);
            const auto hash = inner.rfind('#');
            out += inner.starts_with("{lambda") && hash != std::string_view::npos
                       ? "{lambda" + std::string(inner.substr(hash))
                       : std::string(inner);
            i = end;
        } else if (c == ' ' && !out.ends_with("operator") && !out.ends_with(",") && i + 1 < name.size() &&
                   (is_word(name[i + 1]) || name[i + 1] == '(') && !name.substr(i).starts_with(" const")) {
            // A return type ended here; templates show theirs.
            out.clear();
            ++i;
        } else {
            out += c;
            ++i;
        }
    }
    return out.empty() ? std::string(name) : out;
}

std::string foldable(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        if (c == ';') c = ':';
        if (c == '\n') c = ' ';
    }
    return out;
}

}  // namespace reeve::prof
