#include "apps/gateway/generation.hpp"

#include "apps/gateway/latency.hpp"
#include "apps/gateway/random.hpp"
#include "runtime/base/assert.hpp"

namespace reeve::gateway {

// For requests without a maximum: the lognormal's tail must not make an answer that nobody waits for.
static constexpr std::size_t k_tokens_max = 4096;

static std::size_t drawn_length(std::uint64_t seed) {
    Random random(Random::combine(seed, 1));
    return answer_tokens(random);
}

Generation::Generation(const ChatRequest& request, std::uint64_t seed)
    : source_(Random::combine(seed, 0), request.topic),
      filter_(request.stop),
      length_(drawn_length(seed)),
      tokens_max_(request.tokens_max ? static_cast<std::size_t>(*request.tokens_max) : k_tokens_max) {}

void Generation::next(std::string& out) {
    REEVE_CHECK(!is_finished());
    ++tokens_;
    if (!filter_.feed(source_.next(), out)) {
        finish_reason_ = "stop";
        return;
    }
    if (tokens_ >= length_ && source_.is_at_sentence_end())
        finish_reason_ = "stop";
    else if (tokens_ >= tokens_max_)
        finish_reason_ = "length";
    if (is_finished()) filter_.finish(out);
}

}  // namespace reeve::gateway
