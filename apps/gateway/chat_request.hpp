// ChatRequest: the body of POST /v1/chat/completions, checked.
//
// Idea. Strict in what is used (a wrong type or range is refused with the field's name), blind to everything else: client
// libraries add fields every month, and an unknown one is never an error. Only what answering needs is kept; the prompt
// itself is reduced to its size, a hash and the topic of the last message.
//
// Values; never park.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/gateway/problem.hpp"

namespace reeve::gateway {

struct ChatRequest {
    std::string model;
    std::string topic;               // a word the last message is about; empty if none stands out
    std::size_t prompt_tokens = 0;   // approximate
    std::uint64_t prompt_hash = 0;   // of all messages, so that equal prompts can have equal answers
    std::vector<std::string> stop;   // none is empty
    std::optional<std::int64_t> seed;
    std::optional<std::int64_t> tokens_max;
    unsigned choices = 1;
    bool is_stream = false;
    bool has_usage_chunk = false;    // stream_options.include_usage

    static constexpr unsigned k_choices_max = 8;
    static constexpr std::size_t k_stops_max = 4;
};

// No value: `problem` says why.
[[nodiscard]] std::optional<ChatRequest> parse_chat_request(std::string_view body, Problem& problem);

// For requests that are passed on, whose fields are the upstream's to judge: a JSON object, and whether it asks for a
// stream. No value: `problem` says why.
[[nodiscard]] std::optional<bool> parse_stream_flag(std::string_view body, Problem& problem);

}  // namespace reeve::gateway
