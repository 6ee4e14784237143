#include "tests/model/explorer.hpp"

#include <array>
#include <cstdlib>
#include <vector>

#include "runtime/context/context.hpp"

namespace reeve::model {
namespace {

constexpr std::size_t k_stack_bytes = 128 * 1024;
constexpr std::size_t k_threads_max = 8;
constexpr std::size_t k_accesses_max = 20'000;  // of an execution that comes to an end

// Each stack costs ThreadSanitizer a thread of its own, and there is one thread only: nothing for it to see.
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t k_enough = 300;
#elif defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t k_enough = 3'000;  // each takes it a millisecond
#else
constexpr std::uint64_t k_enough = ~std::uint64_t{0};
#endif

Explorer* s_running = nullptr;  // while model threads run

// Threads by number. Nothing here may own memory: a model thread's stack is left for good at its end or when the execution
// fails, and what lies on it is not destroyed.
class Threads {
public:
    void add(unsigned thread) { numbers_[count_++] = thread; }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::size_t size() const { return count_; }
    unsigned operator[](std::size_t index) const { return numbers_[index]; }

private:
    std::array<unsigned, k_threads_max> numbers_;
    std::size_t count_ = 0;
};

}  // namespace

class Explorer : public context::Traveller {
public:
    explicit Explorer(Bound bound) : bound_(bound) {}

    Explored run(const std::function<void(Execution&)>& body) {
        do {
            threads_.clear();
            order_.clear();
            decided_ = 0;
            switches_ = bound_.switches;
            Execution execution(*this);
            body(execution);
            ++explored_.executions;
            if (explored_.executions > bound_.executions) explored_.failure = "the model is too large";
            explored_.was_cut_short = explored_.executions >= k_enough;
        } while (explored_.failure.empty() && !explored_.was_cut_short && advance());
        return explored_;
    }

    unsigned add(std::function<void()> body, std::function<void()> handler) {
        const std::size_t number = threads_.size();
        if (number == k_threads_max) std::abort();
        if (stacks_.size() == number) stacks_.push_back(std::make_unique<std::byte[]>(k_stack_bytes));
        auto thread = std::make_unique<Thread>();
        thread->body = std::move(body);
        thread->handler = std::move(handler);
        std::byte* bottom = stacks_[number].get();
        auto top = reinterpret_cast<std::uintptr_t>(bottom + k_stack_bytes) & ~std::uintptr_t{63};
        context::prepare(thread->side, bottom, reinterpret_cast<std::byte*>(top), [](context::Traveller& who) {
            auto* explorer = static_cast<Explorer*>(&who);
            explorer->threads_[explorer->current_]->body();
            explorer->threads_[explorer->current_]->has_ended = true;
            explorer->leave();
            std::abort();  // nobody enters it again
        });
        threads_.push_back(std::move(thread));
        return static_cast<unsigned>(number);
    }

    void raise(unsigned thread) { threads_[thread]->is_pending = true; }

    bool run_threads() {
        context::adopt_thread(main_);
        s_running = this;
        const Threads first = others_ready(k_nobody);
        current_ = first[choose(first.size())];
        context::jump(main_, threads_[current_]->side, *this);
        s_running = nullptr;
        for (auto& thread : threads_) context::retire(thread->side);
        return explored_.failure.empty();
    }

    void access() {
        if (is_looking_) return;
        for (;;) {
            Thread& self = *threads_[current_];
            Threads others;
            if (switches_ != 0 && !was_switched_to_) others = others_ready(current_);
            const bool may_signal = has_signal(self);
            const std::size_t chosen = choose(1 + may_signal + others.size());
            if (chosen == 0) break;
            if (may_signal && chosen == 1) {
                handle_signal(self);
                continue;
            }
            --switches_;
            switch_to(others[chosen - 1 - may_signal]);
            was_switched_to_ = true;  // it goes on, or its handler does: not a third thread at once
        }
        was_switched_to_ = false;
        if (order_.size() == k_accesses_max) fail("it goes round for ever");
        order_ += static_cast<char>('0' + current_);
        ++threads_[current_]->steps;
    }

    void block_until(const std::function<bool()>& condition) {
        Thread& self = *threads_[current_];
        while (!holds(condition)) {
            Threads others = others_ready(current_);
            const bool may_signal = has_signal(self);
            if (others.empty() && !may_signal) fail("all wait");
            const std::size_t chosen = choose(may_signal + others.size());
            if (may_signal && chosen == 0) {
                handle_signal(self);
                continue;
            }
            const auto* outer = self.waits_for;
            self.waits_for = &condition;
            switch_to(others[chosen - may_signal]);
            self.waits_for = outer;
        }
        was_switched_to_ = false;
    }

    void pause() {
        const std::size_t accesses = order_.size();
        block_until([this, accesses] { return order_.size() != accesses; });
    }

    [[nodiscard]] std::uint64_t steps_but_of(unsigned thread) const {
        std::uint64_t steps = 0;
        for (unsigned i = 0; i < threads_.size(); ++i) steps += i == thread ? 0 : threads_[i]->steps;
        return steps;
    }

    [[noreturn]] void fail(const char* what) {
        note(what);
        context::jump(threads_[current_]->side, main_, *this);
        std::abort();
    }

    void note(const char* what) {
        if (explored_.failure.empty()) explored_.failure = std::string(what) + "; order of accesses: " + order_;
    }

    [[nodiscard]] unsigned current() const { return current_; }

private:
    static constexpr unsigned k_nobody = ~0U;

    struct Thread {
        std::function<void()> body;
        std::function<void()> handler;
        context::Side side;
        const std::function<bool()>* waits_for = nullptr;
        std::uint64_t steps = 0;
        bool has_ended = false;
        bool is_pending = false;
        bool is_in_handler = false;
    };
    struct Decision {
        std::size_t chosen;
        std::size_t options;
    };

    static bool has_signal(const Thread& thread) { return thread.is_pending && !thread.is_in_handler && thread.handler; }

    void handle_signal(Thread& self) {
        order_ += '!';
        self.is_pending = false;
        self.is_in_handler = true;
        was_switched_to_ = false;
        self.handler();
        self.is_in_handler = false;
    }

    // Looking at what a condition is about is no decision.
    [[nodiscard]] bool holds(const std::function<bool()>& condition) {
        is_looking_ = true;
        const bool result = condition();
        is_looking_ = false;
        return result;
    }

    [[nodiscard]] Threads others_ready(unsigned but) {
        Threads ready;
        for (unsigned i = 0; i < threads_.size(); ++i) {
            const Thread& thread = *threads_[i];
            const bool can_run = !thread.has_ended && (!thread.waits_for || has_signal(thread) || holds(*thread.waits_for));
            if (i != but && can_run) ready.add(i);
        }
        return ready;
    }

    std::size_t choose(std::size_t options) {
        if (options == 1) return 0;
        if (decided_ == decisions_.size()) decisions_.push_back({0, options});
        Decision& decision = decisions_[decided_++];
        if (decision.options != options) std::abort();  // the body is not the same each time
        return decision.chosen;
    }

    // To the next list of decisions; false: that was the last one.
    bool advance() {
        while (!decisions_.empty() && decisions_.back().chosen + 1 == decisions_.back().options) decisions_.pop_back();
        if (decisions_.empty()) return false;
        ++decisions_.back().chosen;
        return true;
    }

    void switch_to(unsigned next) {
        context::Side& left = threads_[current_]->side;
        const unsigned self = current_;
        current_ = next;
        context::jump(left, threads_[next]->side, *this);
        current_ = self;
    }

    // The current thread has ended.
    void leave() {
        const Threads others = others_ready(current_);
        if (!others.empty()) {
            switch_to(others[choose(others.size())]);
            return;
        }
        for (const auto& thread : threads_)
            if (!thread->has_ended) fail("all wait");
        context::jump(threads_[current_]->side, main_, *this);
    }

    const Bound bound_;
    Explored explored_;
    std::vector<Decision> decisions_;
    std::size_t decided_ = 0;
    std::vector<std::unique_ptr<std::byte[]>> stacks_;
    std::vector<std::unique_ptr<Thread>> threads_;
    context::Side main_;
    unsigned current_ = 0;
    unsigned switches_ = 0;
    bool was_switched_to_ = false;
    bool is_looking_ = false;
    std::string order_;
};

unsigned Execution::thread(std::function<void()> body, std::function<void()> handler) {
    return explorer_.add(std::move(body), std::move(handler));
}

void Execution::raise(unsigned thread) { explorer_.raise(thread); }

bool Execution::run() { return explorer_.run_threads(); }

void Execution::expect(bool holds, const char* what) {
    if (!holds) explorer_.note(what);
}

Explored explore(Bound bound, const std::function<void(Execution&)>& body) { return Explorer(bound).run(body); }

void access() {
    if (s_running) s_running->access();
}

void pause() { s_running->pause(); }

void block_until(const std::function<bool()>& condition) { s_running->block_until(condition); }

std::uint64_t steps_but_of(unsigned thread) { return s_running->steps_but_of(thread); }

void fail(const char* what) {
    if (!s_running) std::abort();
    s_running->fail(what);
}

unsigned current() { return s_running ? s_running->current() : k_no_thread; }

}  // namespace reeve::model
