// TextSource: English sentences, token by token, made from a small phrase grammar.
//
// Idea. One sentence at a time is expanded from the grammar and then cut as tokenizers of real models cut: a word with
// the space before it, punctuation by itself, long words in two. Every fourth sentence or so mentions the topic, a word
// taken from the prompt, so that an answer looks like one. What it says is grammatical and means nothing.
//
// A value; one user at a time; never parks. The same seed and topic give the same text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "apps/gateway/random.hpp"

namespace reeve::gateway {

class TextSource {
public:
    // An empty topic is left out.
    TextSource(std::uint64_t seed, std::string topic);

    // The next token, never empty and never cut inside a UTF-8 character; valid until the next call.
    std::string_view next();
    // The tokens so far end with a sentence.
    [[nodiscard]] bool is_at_sentence_end() const { return position_ == sentence_.size(); }

private:
    void begin_sentence();
    void expand(std::string_view pattern, unsigned depth);

    Random random_;
    std::string topic_;
    std::string sentence_;
    std::size_t position_ = 0;    // in sentence_: what has been given out
    std::size_t word_end_ = 0;    // in sentence_: end of a word that was cut in two, else not after position_
    unsigned sentences_ = 0;
    unsigned until_paragraph_ = 0;
};

// The word a prompt is about: the longest plain one near its end that is not a filler, in lower case; empty if there is
// none.
[[nodiscard]] std::string topic_of(std::string_view prompt);

// About as many as a real tokenizer would count: four bytes of English each.
[[nodiscard]] std::size_t approximate_tokens(std::string_view text);

}  // namespace reeve::gateway
