#include "apps/gateway/simulator.hpp"

#include <chrono>
#include <utility>

#include "apps/gateway/generation.hpp"
#include "runtime/go.hpp"
#include "runtime/sleep.hpp"

namespace reeve::gateway {

using namespace std::chrono_literals;

// A hang or a stall that nobody ends is ended here.
static constexpr Duration k_hang = 10min;
// Where the faults of a stream strike: late enough that the client has begun to show something.
static constexpr unsigned k_fault_token = 3;

namespace {

struct Active {
    explicit Active(std::atomic<std::size_t>& count_) : count(count_) { count.fetch_add(1, std::memory_order_relaxed); }
    ~Active() { count.fetch_sub(1, std::memory_order_relaxed); }
    Active(const Active&) = delete;
    Active& operator=(const Active&) = delete;
    std::atomic<std::size_t>& count;
};

// When the next token is due. Profiles without waiting never park here.
class Schedule {
public:
    Schedule(const Profile& profile, const std::atomic<std::size_t>& active, std::uint64_t seed)
        : profile_(profile), active_(active), random_(Random::combine(seed, 2)), due_ns_(now_ns()) {}

    void add_first(std::size_t prompt_tokens) {
        due_ns_ += time_to_first_token(profile_, prompt_tokens, random_).count();
    }
    void add_gap() {
        due_ns_ += gap_between_tokens(profile_, active_.load(std::memory_order_relaxed), random_).count();
    }
    [[nodiscard]] bool is_due() const { return due_ns_ <= now_ns(); }
    // False: the request was cancelled.
    [[nodiscard]] bool wait() const {
        return is_due() ? !this_fiber::is_cancelled() : sleep_until(Deadline::at_ns(due_ns_)).has_value();
    }

private:
    const Profile& profile_;
    const std::atomic<std::size_t>& active_;
    Random random_;
    std::int64_t due_ns_;
};

std::vector<Generation> generations(const ChatRequest& request, std::uint64_t seed) {
    std::vector<Generation> choices;
    choices.reserve(request.choices);
    for (unsigned i = 0; i < request.choices; ++i) choices.emplace_back(request, Random::combine(seed, 100 + i));
    return choices;
}

Usage usage_of(const ChatRequest& request, const std::vector<Generation>& choices) {
    Usage usage{request.prompt_tokens, 0};
    for (const Generation& choice : choices) usage.completion_tokens += choice.tokens();
    return usage;
}

bool send(const AnswerChannel& out, AnswerPart::Kind kind, std::string text) {
    AnswerPart part;
    part.kind = kind;
    part.text = std::move(text);
    return out.send(std::move(part)).has_value();
}

// Strikes in the middle of a stream. True: the stream goes on.
bool strike(Fault fault, const CompletionChunks& chunks, const AnswerChannel& out) {
    // Longer than the line buffers of clients that should not have one.
    constexpr std::size_t k_huge_bytes = 256 * 1024;

    std::string frame;
    switch (fault) {
        case Fault::stall:
            (void)sleep_for(k_hang);
            (void)send(out, AnswerPart::Kind::cut, {});
            return false;
        case Fault::cut: (void)send(out, AnswerPart::Kind::cut, "data: {\"id\":\"chatcmpl-"); return false;
        case Fault::eof: (void)send(out, AnswerPart::Kind::end, {}); return false;
        case Fault::malformed: return send(out, AnswerPart::Kind::alone, "data: {\"choices\":[}\n\n");
        case Fault::huge_line:
            chunks.append_delta(frame, 0, std::string(k_huge_bytes, 'x'));
            return send(out, AnswerPart::Kind::alone, std::move(frame));
        case Fault::utf8_split: {
            chunks.append_delta(frame, 0, " caf\xc3\xa9");
            const std::size_t middle = frame.find('\xc3') + 1;
            return send(out, AnswerPart::Kind::alone, frame.substr(0, middle)) &&
                   send(out, AnswerPart::Kind::alone, frame.substr(middle));
        }
        default: return true;
    }
}

}  // namespace

Simulator::Simulator(std::uint64_t seed, const Profile& profile) : seed_(seed) {
    models_.push_back({"reeve-sim", profile});
    models_.push_back({"reeve-sim-fast", *profile_of("fast")});
    models_.push_back({"reeve-sim-instant", *profile_of("instant")});
}

const SimulatedModel* Simulator::find(std::string_view name) const {
    for (const SimulatedModel& model : models_)
        if (model.name == name) return &model;
    return nullptr;
}

void Simulator::answer(const ChatRequest& request, const SimulatedModel& model, const CompletionId& who, Fault fault,
                       const AnswerChannel& out) {
    if (fault == Fault::too_many || fault == Fault::internal) {
        AnswerPart part = fault == Fault::too_many
            ? refusal({429, "Rate limit reached, as ordered by x-reeve-fault.", "", "", "rate_limit_exceeded"})
            : refusal({500, "The model failed, as ordered by x-reeve-fault.", "", "", "simulated_failure"});
        if (fault == Fault::too_many) part.headers = {{"Retry-After", "1"}, {"Retry-After-Ms", "100"}};
        (void)out.send(std::move(part));
        return;
    }
    if (fault == Fault::hang) {
        if (sleep_for(k_hang)) (void)out.send(refusal({504, "The model does not answer.", "", "", "timeout"}));
        return;
    }
    const Active active(active_);
    const std::uint64_t own = request.seed ? static_cast<std::uint64_t>(*request.seed)
                                           : Random::combine(seed_, requests_.fetch_add(1, std::memory_order_relaxed));
    const std::uint64_t seed = Random::combine(own, request.prompt_hash);
    if (request.is_stream)
        answer_stream(request, model.profile, who, seed, fault, out);
    else
        answer_whole(request, model.profile, who, seed, out);
}

void Simulator::answer_whole(const ChatRequest& request, const Profile& profile, const CompletionId& who,
                             std::uint64_t seed, const AnswerChannel& out) {
    std::vector<Generation> choices = generations(request, seed);
    Schedule schedule(profile, active_, seed);
    schedule.add_first(request.prompt_tokens);
    CompletionText answer(who);
    std::size_t longest = 0;
    for (Generation& choice : choices) {
        std::string text;
        while (!choice.is_finished()) choice.next(text);
        answer.add_choice(text, choice.finish_reason());
        longest = std::max(longest, choice.tokens());
    }
    // The choices of one request are computed side by side.
    for (std::size_t i = 1; i < longest; ++i) schedule.add_gap();
    if (!schedule.wait()) return;
    AnswerPart part;
    part.kind = AnswerPart::Kind::whole;
    part.text = answer.finish(usage_of(request, choices));
    (void)out.send(std::move(part));
}

void Simulator::answer_stream(const ChatRequest& request, const Profile& profile, const CompletionId& who,
                              std::uint64_t seed, Fault fault, const AnswerChannel& out) {
    // Tokens that are due at the same time travel together, up to this size.
    constexpr std::size_t k_part_bytes = 4 * 1024;

    std::vector<Generation> choices = generations(request, seed);
    const CompletionChunks chunks(who, request.has_usage_chunk);
    Schedule schedule(profile, active_, seed);
    schedule.add_first(request.prompt_tokens);
    if (!schedule.wait()) return;

    std::string frames;
    std::string text;
    for (unsigned i = 0; i < choices.size(); ++i) chunks.append_role(frames, i);
    std::size_t unfinished = choices.size();
    for (unsigned step = 0;; ++step) {
        for (unsigned i = 0; i < choices.size(); ++i) {
            if (choices[i].is_finished()) continue;
            text.clear();
            choices[i].next(text);
            if (!text.empty()) chunks.append_delta(frames, i, text);
            if (!choices[i].is_finished()) continue;
            chunks.append_finish(frames, i, choices[i].finish_reason());
            --unfinished;
        }
        if (unfinished == 0) break;
        schedule.add_gap();
        if (frames.size() >= k_part_bytes || !schedule.is_due() || step == k_fault_token) {
            if (!send(out, AnswerPart::Kind::frames, std::exchange(frames, {}))) return;
            if (step == k_fault_token && !strike(fault, chunks, out)) return;
            if (!schedule.wait()) return;
        }
    }
    if (request.has_usage_chunk) chunks.append_usage(frames, usage_of(request, choices));
    (void)send(out, AnswerPart::Kind::done, std::move(frames));
}

}  // namespace reeve::gateway
