#include "apps/gateway/text_source.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "runtime/base/assert.hpp"

namespace reeve::gateway {

// The grammar. A pattern is text in which <x> stands for a pattern of rule x; rules are named by one letter to keep
// the patterns readable.
//   S sentence  C claim  n singular noun phrase  p plural noun phrase  N noun  P plural noun  J adjective
//   v verb, singular  w verb, plural or infinitive  a adverbial  O opening  Q reason  T topic (or a noun phrase)
static constexpr std::array k_sentences = std::to_array<std::string_view>({
    "<O>, <C>.", "<C>, <Q>.", "<C>, and <C>.", "When <C>, <C>.", "<C> <a>.", "<C>; <C>.", "<O>, <C> <a>.",
    "It is <J> to <w> <p>, <Q>.", "<n> is <J>, but <C>.", "There are <P> that <w> <p> <a>.", "If <C>, then <C>.",
});
static constexpr std::array k_topic_sentences = std::to_array<std::string_view>({
    "With <T>, <C>.", "<O>, take <T> as a <J> example: <C>.", "The question of <T> is <J>, <Q>.",
    "Much of <T> comes down to <p>, and <C>.", "To understand <T>, it helps to <w> <p> <a>.",
});
static constexpr std::array k_claims = std::to_array<std::string_view>({
    "<n> <v> <n>", "<n> <v> <p>", "<p> <w> <n>", "<p> <w> <p>", "<n> <v> <p> <a>", "<p> <w> <n> <a>",
});
static constexpr std::array k_singular = std::to_array<std::string_view>({
    "the <N>", "the <J> <N>", "a <J> <N>", "every <N>", "each <N> of the <N>", "the <N> behind the <N>", "another <N>",
});
static constexpr std::array k_plural = std::to_array<std::string_view>({
    "<J> <P>", "most <P>", "the <P> of the <N>", "many <J> <P>", "several <P>", "these <P>",
});
static constexpr std::array k_nouns = std::to_array<std::string_view>({
    "reader", "river", "question", "machine", "garden", "letter", "method", "market", "signal", "bridge", "story",
    "pattern", "teacher", "harbour", "measurement", "village", "decision", "compass", "library", "recipe", "number",
    "conversation", "season", "tool", "failure", "promise", "scheduler", "thread", "message", "window", "river bank",
    "workshop", "hypothesis", "tradition", "fa\xc3\xa7""ade", "language", "problem", "journey", "balance", "crossroads",
});
static constexpr std::array k_plural_nouns = std::to_array<std::string_view>({
    "results", "details", "habits", "people", "mountains", "records", "ideas", "experiments", "tools", "roads",
    "letters", "limits", "questions", "gardens", "materials", "neighbours", "systems", "machines", "stories", "words",
    "measurements", "costs", "changes", "decisions", "instruments", "caf\xc3\xa9s", "requests", "seasons", "examples",
});
static constexpr std::array k_adjectives = std::to_array<std::string_view>({
    "quiet", "careful", "small", "large", "useful", "distant", "remarkable", "practical", "simple", "curious", "slow",
    "predictable", "fragile", "na\xc3\xafve", "warm", "common", "narrow", "patient", "reliable", "familiar", "strange",
    "bright", "well known", "short", "difficult", "surprising", "gentle", "precise", "hidden", "modest", "necessary",
});
static constexpr std::array k_verbs_singular = std::to_array<std::string_view>({
    "shapes", "explains", "carries", "follows", "supports", "improves", "reveals", "replaces", "needs", "changes",
    "measures", "remembers", "connects", "protects", "describes", "rewards", "outlives", "resembles", "precedes",
});
static constexpr std::array k_verbs_plural = std::to_array<std::string_view>({
    "shape", "explain", "carry", "follow", "support", "improve", "reveal", "replace", "need", "change", "measure",
    "remember", "connect", "protect", "describe", "reward", "outlive", "resemble", "precede", "compare", "collect",
});
static constexpr std::array k_adverbials = std::to_array<std::string_view>({
    "over time", "in practice", "without much effort", "more often than expected", "in a <J> way", "step by step",
    "when nobody is watching", "for <J> reasons", "as the <N> grows", "at the edge of the <N>", "one day at a time",
});
static constexpr std::array k_openings = std::to_array<std::string_view>({
    "In practice", "At first", "Over the years", "For example", "On the other hand", "As a rule", "In the end",
    "More precisely", "To begin with", "In other words", "Still", "Because of this", "By contrast",
});
static constexpr std::array k_reasons = std::to_array<std::string_view>({
    "because <C>", "since <p> <w> <n>", "which is why <C>", "although <C>", "so <p> <w> <n>", "even if <C>",
});

static std::span<const std::string_view> rule(char name) {
    switch (name) {
        case 'C': return k_claims;
        case 'n': return k_singular;
        case 'p': return k_plural;
        case 'N': return k_nouns;
        case 'P': return k_plural_nouns;
        case 'J': return k_adjectives;
        case 'v': return k_verbs_singular;
        case 'w': return k_verbs_plural;
        case 'a': return k_adverbials;
        case 'O': return k_openings;
        case 'Q': return k_reasons;
        default: fatal("the grammar has no rule '%c'", name);
    }
}

static constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

TextSource::TextSource(std::uint64_t seed, std::string topic) : random_(seed), topic_(std::move(topic)) {
    until_paragraph_ = static_cast<unsigned>(3 + random_.below(3));
}

void TextSource::expand(std::string_view pattern, unsigned depth) {
    REEVE_CHECK(depth < 8);  // the rules refer to each other without a cycle
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '<') {
            sentence_.push_back(pattern[i]);
            continue;
        }
        const char name = pattern[i + 1];
        i += 2;
        if (name == 'T') {
            sentence_.append(topic_);
            continue;
        }
        const auto choices = rule(name);
        expand(choices[random_.below(choices.size())], depth + 1);
    }
}

void TextSource::begin_sentence() {
    sentence_.clear();
    position_ = 0;
    if (sentences_ > 0) {
        if (until_paragraph_ == 0) {
            sentence_ = "\n\n";
            until_paragraph_ = static_cast<unsigned>(3 + random_.below(4));
        } else {
            sentence_ = " ";
        }
    }
    const std::size_t first = sentence_.size();
    const bool on_topic = !topic_.empty() && (sentences_ == 0 || random_.below(4) == 0);
    const auto patterns = on_topic ? std::span<const std::string_view>(k_topic_sentences) : k_sentences;
    expand(patterns[random_.below(patterns.size())], 0);
    if (sentence_[first] >= 'a' && sentence_[first] <= 'z')
        sentence_[first] = static_cast<char>(sentence_[first] - ('a' - 'A'));
    ++sentences_;
    --until_paragraph_;
}

std::string_view TextSource::next() {
    // Words of more letters come in two tokens, the first of this many.
    constexpr std::size_t k_word_bytes_max = 9;
    constexpr std::size_t k_first_half_bytes = 5;

    if (is_at_sentence_end()) begin_sentence();
    const std::size_t begin = position_;
    std::size_t end = begin;
    if (sentence_[end] == '\n') {
        while (sentence_[end] == '\n') ++end;
    } else {
        if (sentence_[end] == ' ') ++end;
        const std::size_t word = end;
        const auto in_word = [](char c) { return is_letter(c) || static_cast<unsigned char>(c) >= 0x80; };
        while (end < sentence_.size() && in_word(sentence_[end])) ++end;
        const auto first = sentence_.begin() + static_cast<std::ptrdiff_t>(word);
        const bool is_plain = std::all_of(first, sentence_.begin() + static_cast<std::ptrdiff_t>(end), is_letter);
        if (end == word) {
            ++end;  // punctuation
        } else if (is_plain && end - word > k_word_bytes_max && begin != word_end_) {
            end = word + k_first_half_bytes;
            word_end_ = end;  // the second half is not cut again
        }
    }
    position_ = end;
    return std::string_view(sentence_).substr(begin, end - begin);
}

std::string topic_of(std::string_view prompt) {
    static constexpr std::array k_fillers = std::to_array<std::string_view>({
        "about", "because", "between", "could", "describe", "every", "explain", "following", "please", "should",
        "sentence", "something", "their", "there", "these", "thing", "things", "think", "those", "through", "where",
        "which", "while", "without", "would", "write", "yourself",
    });
    constexpr std::size_t k_letters_min = 4;
    constexpr std::size_t k_letters_max = 20;
    constexpr std::size_t k_prompt_bytes = 400;  // what was asked is usually at the end

    if (prompt.size() > k_prompt_bytes) prompt.remove_prefix(prompt.size() - k_prompt_bytes);
    std::string best;
    std::string word;
    for (std::size_t i = 0; i <= prompt.size(); ++i) {
        if (i < prompt.size() && is_letter(prompt[i])) {
            word.push_back(lower(prompt[i]));
            continue;
        }
        const bool is_filler = std::find(k_fillers.begin(), k_fillers.end(), word) != k_fillers.end();
        if (word.size() >= k_letters_min && word.size() <= k_letters_max && word.size() > best.size() && !is_filler)
            best = word;
        word.clear();
    }
    return best;
}

std::size_t approximate_tokens(std::string_view text) { return (text.size() + 3) / 4; }

}  // namespace reeve::gateway
