// CompletionChunks: the frames of a streamed chat completion; CompletionText: the answer that comes in one piece.
//
// Idea. All chunks of one answer begin with the same bytes (id, object, created, model), which are rendered once. Frames
// are "data: <one line of JSON>\n\n" and nothing else: of all that server-sent events allow, only this and comments are
// understood by every client. Order per choice: role, deltas, finish; then, if asked for, usage; the closing [DONE] is
// written by whoever ends the stream, because it must leave together with the end of the body.
//
// Values; one user at a time; never park.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reeve::gateway {

struct CompletionId {
    std::string id;            // "chatcmpl-..."
    std::int64_t created = 0;  // seconds since 1970
    std::string model;
};

struct Usage {
    std::size_t prompt_tokens = 0;
    std::size_t completion_tokens = 0;
};

class CompletionChunks {
public:
    // With `has_usage` every chunk carries "usage":null, as clients that asked for usage expect.
    CompletionChunks(const CompletionId& who, bool has_usage);

    // Each appends one frame.
    void append_role(std::string& out, unsigned choice) const;
    void append_delta(std::string& out, unsigned choice, std::string_view text) const;
    void append_finish(std::string& out, unsigned choice, std::string_view reason) const;
    void append_usage(std::string& out, const Usage& usage) const;

private:
    void begin_choice(std::string& out, unsigned choice) const;

    std::string beginning_;
    bool has_usage_;
};

// "data: {"error":...}": the stream has failed after its first byte. No finish chunk and no [DONE] may follow.
void append_error_frame(std::string& out, std::string_view message, std::string_view type, std::string_view code);

class CompletionText {
public:
    explicit CompletionText(const CompletionId& who);

    void add_choice(std::string_view text, std::string_view finish_reason);
    [[nodiscard]] std::string finish(const Usage& usage);

private:
    std::string out_;
    unsigned choices_ = 0;
};

}  // namespace reeve::gateway
