// AnswerPart, deliver: what the fiber of an LLM request hands to the fiber of the client's connection.
//
// Idea. The two fibers meet in a channel. The request's fiber thinks and waits (for the simulated model's clock, for an
// upstream); the connection's fiber writes, and is the one that notices the client's leaving, because its wait on the
// channel is cancelled then. The channel is short, so a client that reads slowly slows its upstream down instead of
// filling memory. A request is answered by one `whole`, or by `frames` and `alone` closed by `done`, `end` or `cut`.
//
// deliver() is for the connection's fiber and parks.
#pragma once

#include <cstdint>
#include <string>

#include "apps/gateway/problem.hpp"
#include "http/message.hpp"
#include "runtime/channel.hpp"

namespace reeve::gateway {

struct AnswerPart {
    enum class Kind : std::uint8_t {
        whole,   // the complete answer: status, content type, headers, body
        frames,  // of an event stream, complete ones; may be joined with the next on the wire
        alone,   // a piece of a frame that must be a write of its own
        done,    // the last frames; then [DONE]
        end,     // the last frames; then the stream ends without [DONE], which says that it failed
        cut,     // the stream breaks off visibly
    };

    Kind kind = Kind::frames;
    int status = 200;                              // whole
    std::string text;                              // the body, or frames
    std::string content_type = "application/json"; // whole
    http::Headers headers;                         // whole, and the first part of a stream
};

using AnswerChannel = Channel<AnswerPart>;

// Parts that may wait for a client that reads slowly.
inline constexpr std::size_t k_answer_parts_ahead = 8;

[[nodiscard]] AnswerPart refusal(const Problem& problem);

enum class Delivery : std::uint8_t {
    complete,  // the client has all of it, or all that there will ever be
    left,      // the client is gone, or the server is stopping: nobody wants the rest
};

// Writes the parts as they come, until the last one. A stream that is silent for long gets comments in between, so that
// no proxy takes it for dead. `started_ns` (now_ns) is when the request came, for the header openai-processing-ms.
[[nodiscard]] Delivery deliver(const AnswerChannel& parts, http::Response& response, std::int64_t started_ns);

}  // namespace reeve::gateway
