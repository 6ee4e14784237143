// Simulator: the embedded model. It answers any prompt with English that means nothing, at the pace of a real model.
//
// Idea. What is said (TextSource) and when (Profile) come from one seed each, so that an answer depends on the seed and
// the prompt alone, never on how the fibers were scheduled. A request that names its `seed` gets the same answer each
// time; others take the next of the simulator's own sequence. Tokens are due at times of an absolute schedule: a late
// wake-up does not delay what follows.
//
// answer() is the body of a request's fiber: it parks, and returns early when the fiber is cancelled or the channel
// closed. Any number of fibers at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/gateway/answer.hpp"
#include "apps/gateway/chat_request.hpp"
#include "apps/gateway/chunks.hpp"
#include "apps/gateway/fault.hpp"
#include "apps/gateway/latency.hpp"

namespace reeve::gateway {

struct SimulatedModel {
    std::string name;
    Profile profile;
};

class Simulator {
public:
    // reeve-sim with `profile`; reeve-sim-fast and reeve-sim-instant with theirs.
    Simulator(std::uint64_t seed, const Profile& profile);

    [[nodiscard]] std::span<const SimulatedModel> models() const { return models_; }
    [[nodiscard]] const SimulatedModel* find(std::string_view name) const;

    void answer(const ChatRequest& request, const SimulatedModel& model, const CompletionId& who, Fault fault,
                const AnswerChannel& out);

private:
    void answer_whole(const ChatRequest& request, const Profile& profile, const CompletionId& who,
                      std::uint64_t seed, const AnswerChannel& out);
    void answer_stream(const ChatRequest& request, const Profile& profile, const CompletionId& who,
                       std::uint64_t seed, Fault fault, const AnswerChannel& out);

    std::uint64_t seed_;
    std::vector<SimulatedModel> models_;
    std::atomic<std::uint64_t> requests_{0};  // numbers the requests that bring no seed
    std::atomic<std::size_t> active_{0};      // being answered now: the load that lengthens gaps
};

}  // namespace reeve::gateway
