// Hogs that do to texts what servers of language models do: search them, parse them, cut them into tokens.
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "apps/starve/hogs/turns.hpp"
#include "apps/starve/hogs/work.hpp"
#include "http/json.hpp"

namespace reeve::starve::hogs {
namespace {

constexpr std::size_t k_json_bytes = 600'000 / k_slowness;
constexpr std::size_t k_prompt_bytes = 27'000'000;
constexpr std::size_t k_piece_bytes = 150'000 / k_slowness;  // of the prompt, in one turn

std::uint64_t hash(std::string_view text) {
    std::uint64_t sum = text.size();
    for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return sum;
}

std::string json_text(std::uint64_t seed) {
    std::string text = "[";
    while (text.size() < k_json_bytes) {
        seed = mix(seed);
        if (text.size() > 1) text += ',';
        text += "{\"id\":" + std::to_string(seed >> 12) + ",\"name\":\"n\\u00e4me " + std::to_string(seed % 1000) +
                "\",\"tags\":[1,2.5,true,null,[]],\"inner\":{\"score\":-0." + std::to_string(seed % 97) + "e3}}";
    }
    return text += ']';
}

// Words of letters that are about as frequent as in English, as a prompt has them.
std::string make_prompt() {
    constexpr std::string_view k_letters = "eeeeeeeetttttaaaaaoooooiiiinnnnsssshhhrrrrddllluuccmmwfgypbvk";
    std::string text;
    text.reserve(k_prompt_bytes + 32);
    for (std::uint64_t seed = 27; text.size() < k_prompt_bytes; text += ' ') {
        seed = mix(seed);
        std::uint64_t letters = seed;
        for (std::uint64_t i = 0; i < 2 + seed % 9; ++i, letters >>= 6) text += k_letters[letters % k_letters.size()];
    }
    return text;
}

const std::string& prompt() {
    static const std::string s_prompt = make_prompt();
    return s_prompt;
}

// Which pairs the tokeniser joins, and how early: pseudo-random like the ranks of a real one, without its megabytes.
std::uint64_t rank_of(std::uint64_t left, std::uint64_t right) { return mix(left * 1'000'003 + right) % 100'000; }
constexpr std::uint64_t k_rank_max = 30'000;

// Byte-pair encoding: within a word, the pair of the lowest rank is joined until none is left that may be.
std::uint64_t tokenise(std::string_view text) {
    std::uint64_t sum = 0;
    std::vector<std::uint64_t> tokens;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' ', 1), text.size());
        tokens.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end));
        for (;;) {
            std::uint64_t best = k_rank_max;
            std::size_t at = 0;
            for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
                const std::uint64_t rank = rank_of(tokens[i], tokens[i + 1]);
                if (rank < best) {
                    best = rank;
                    at = i;
                }
            }
            if (best == k_rank_max) break;
            tokens[at] = 256 + best;
            tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
        for (const std::uint64_t token : tokens) sum = mix(sum ^ token);
        text.remove_prefix(end);
    }
    return sum;
}

}  // namespace

std::uint64_t turn_regex(std::uint64_t seed) {
    // Each x more doubles the ways to divide them; only the last character decides.
    const std::regex pattern("(x+x+)+y");
    const bool is_found_wanted = seed % 2 == 0;
    std::string text(seed % 3 + (k_slowness > 1 ? 9 : 12), 'x');
    const std::size_t length = text.size() + 1;
    text += is_found_wanted ? 'y' : 'n';
    std::smatch match;
    if (std::regex_search(text, match, pattern) != is_found_wanted) return broken("regex: the wrong answer");
    return mix(seed) + (is_found_wanted ? static_cast<std::uint64_t>(match.length(0)) : length);
}

std::uint64_t turn_json(std::uint64_t seed) {
    const std::string text = json_text(seed);
    const auto document = http::JsonDocument::parse(text);
    if (!document) return broken("json: refused");
    const http::Json root = document.value().root();
    std::uint64_t sum = root.size();
    for (std::size_t i = 0; i < root.size(); ++i) {
        const http::Json item = root[i];
        sum = mix(sum ^ static_cast<std::uint64_t>(item["id"].int_or(0)) ^ hash(item["name"].string_or("")));
        sum += item["tags"].size() + static_cast<std::uint64_t>(-item["inner"]["score"].double_or(0));
    }
    return sum;
}

std::uint64_t turn_tokens(std::uint64_t seed) {
    const std::size_t from = mix(seed) % (k_prompt_bytes - k_piece_bytes);
    return tokenise(std::string_view(prompt()).substr(from, k_piece_bytes));
}

void endless_tokens() {
    for (;;) keep(tokenise(prompt()));
}

}  // namespace reeve::starve::hogs
