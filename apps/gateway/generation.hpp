// Generation: one choice of an answer, text and end, without the times.
//
// Idea. The length is drawn first; from there on the text ends at the next end of a sentence ("stop"), unless the
// caller's maximum ("length") or one of its stop sequences ("stop") comes first.
//
// A value bound to its request, which must outlive it; one user at a time; never parks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "apps/gateway/chat_request.hpp"
#include "apps/gateway/stop_filter.hpp"
#include "apps/gateway/text_source.hpp"

namespace reeve::gateway {

class Generation {
public:
    Generation(const ChatRequest& request, std::uint64_t seed);

    // Makes one token and appends what of the text is certain now, which may be nothing. Not after the end.
    void next(std::string& out);

    [[nodiscard]] bool is_finished() const { return !finish_reason_.empty(); }
    [[nodiscard]] std::string_view finish_reason() const { return finish_reason_; }  // empty before the end
    [[nodiscard]] std::size_t tokens() const { return tokens_; }

private:
    TextSource source_;
    StopFilter filter_;
    std::size_t length_;      // from here on the next end of a sentence is the end
    std::size_t tokens_max_;
    std::size_t tokens_ = 0;
    std::string_view finish_reason_;
};

}  // namespace reeve::gateway
