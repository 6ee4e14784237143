// The protocol of select.
//
// All locks of its channels are held while a select looks for something it can do and, finding nothing, puts a place into
// each queue. That is Go's way. The other one, a lock at a time, needs a second claim (of oneself, before the partner's), a
// way to take it back, and something against two selects that do so to each other for ever; here there is one claim, which
// is that of any wait.
//
// I1  Locks are taken in the order of their addresses, each once; nobody else who holds one takes another. So nobody waits
//     in a circle.
// I2  While a select tries its cases it stands in no queue: it cannot meet itself, and nobody can claim it.
// I3  Of two selects that could meet one has all its places in the queues before the other has any of their common locks:
//     one of the two finds the other. No readiness is missed between looking and waiting, for no lock is let go in between.
// I4  A waiting select has one wait. A partner, a closing, the time or a cancellation has to claim it, and one of them does.
//     A value is moved out of, or into, a case only by who claimed its place, or by the select itself in attempt().
// I5  No case goes away, and no select returns, before all its places are out of their queues; each is taken out under its
//     queue's lock. Who finds a stale place holds that lock.
// I6  Every lock is released before somebody is made ready, before the select parks and before a function is called.
#include "runtime/select.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "runtime/with_deadline.hpp"

namespace reeve {
namespace sched {
namespace {

struct Chosen {
    CaseBase* one = nullptr;
    Outcome outcome = Outcome::none;
};

// The cases by what they are. `channels` is in the order of the locks.
struct Cases {
    explicit Cases(std::span<CaseBase*> all);
    [[nodiscard]] bool is_first_of_its_channel(std::size_t i) const {
        return i == 0 || channels[i]->channel != channels[i - 1]->channel;
    }
    void lock_all() const {
        for (std::size_t i = 0; i < channels.size(); ++i)
            if (is_first_of_its_channel(i)) channels[i]->channel->lock.lock();
    }
    void unlock_all() const {
        for (std::size_t i = 0; i < channels.size(); ++i)
            if (is_first_of_its_channel(i)) channels[i]->channel->lock.unlock();
    }

    std::span<CaseBase*> channels;
    CaseBase* deadline = nullptr;
    CaseBase* otherwise = nullptr;
    CaseBase* cancelled = nullptr;  // who is told of a cancellation
};

Cases::Cases(std::span<CaseBase*> all) {
    CaseBase* told = nullptr;
    int index = 0;
    for (CaseBase* one : all) {
        one->index = index++;
        if (!one->is_enabled) continue;
        if (one->kind == CaseKind::deadline && (!deadline || one->due().ns() < deadline->due().ns())) deadline = one;
        if (one->kind == CaseKind::otherwise && !otherwise) otherwise = one;
        if (one->kind == CaseKind::cancelled && !cancelled) cancelled = one;
        if (one->takes_result() && !one->is_spent() && !told) told = one;
    }
    if (!cancelled) cancelled = told;
    const auto end = std::partition(all.begin(), all.end(), [](const CaseBase* one) {
        return one->channel && one->is_enabled && !one->is_spent();
    });
    channels = all.first(static_cast<std::size_t>(end - all.begin()));
    for (std::size_t i = 0; i < channels.size(); ++i) channels[i]->rank = i;
    std::sort(channels.begin(), channels.end(), [](const CaseBase* a, const CaseBase* b) {
        return a->channel == b->channel ? a->rank < b->rank : std::less<>()(a->channel, b->channel);
    });
}

// Under all locks. Tries the cases in an order in which each is first, second, ... as likely as any other. It is drawn without
// regard to addresses: what was drawn once is drawn again when the program is run again.
Chosen try_all(std::span<CaseBase*> channels, Waiter*& peer) {
    for (std::size_t i = 0; i < channels.size(); ++i) channels[channels[i]->rank]->turn = i;
    ChannelCore* const first = channels.empty() ? nullptr : channels[channels[0]->turn]->channel;
    for (std::size_t i = 0; i < channels.size(); ++i) {
        const std::size_t other = i + first->draw(channels.size() - i);
        std::swap(channels[i]->turn, channels[other]->turn);
        CaseBase* one = channels[channels[i]->turn];
        const Step step = one->attempt();
        if (step.outcome == Outcome::none) continue;
        peer = step.peer;
        return {one, step.outcome};
    }
    return {};
}

// Under all locks. Returns when to look again, for no partner tells of it.
Deadline enlist(std::span<CaseBase*> channels, const Waiter& waiter) {
    Deadline due;
    for (CaseBase* one : channels) {
        one->place.emplace(waiter, Waiter::FurtherPlace{});
        one->place->slot = one->slot();
        one->queue().push(*one->place);
        due = due.or_sooner(one->due());
    }
    return due;
}

// Returns the case whose place was claimed, or null.
CaseBase* withdraw(std::span<CaseBase*> channels) {
    CaseBase* claimed = nullptr;
    for (CaseBase* one : channels) {
        {
            SpinGuard guard(one->channel->lock);
            one->queue().remove_if_linked(*one->place);
        }
        if (one->place->was_claimed()) claimed = one;
        one->place.reset();
    }
    return claimed;
}

Chosen choose(const Cases& cases) {
    const Deadline deadline = cases.deadline ? cases.deadline->due() : Deadline();
    for (;;) {
        cases.lock_all();
        Waiter* peer = nullptr;
        Chosen chosen = try_all(cases.channels, peer);
        if (!chosen.one && cases.otherwise) chosen = {cases.otherwise, Outcome::ready};
        if (chosen.one) {
            cases.unlock_all();
            if (peer) peer->ready();
            return chosen;
        }
        Wait wait("select");
        const Deadline due = enlist(cases.channels, *wait);
        cases.unlock_all();
        const Outcome outcome = wait.park(deadline.or_sooner(due));
        CaseBase* claimed = withdraw(cases.channels);
        if (claimed) return {claimed, outcome};
        if (outcome == Outcome::cancelled) return {cases.cancelled, outcome};
        if (deadline.has_passed()) return {cases.deadline, Outcome::ready};
        if (outcome == Outcome::timed_out && this_fiber::deadline().has_passed()) return {cases.cancelled, outcome};
        // A channel that the clock fills is due, or another receiver was faster.
    }
}

}  // namespace

int select_among(std::span<CaseBase*> all) {
    const Cases cases(all);
    Chosen chosen;
    {
        Entry entry;
        chosen = choose(cases);
    }
    if (!chosen.one) return k_select_cancelled;
    const int index = chosen.one->index;  // the function may do away with the case
    chosen.one->conclude(chosen.outcome);
    return index;
}

}  // namespace sched

int select(std::span<SelectCase> cases) {
    std::vector<sched::CaseBase*> all;
    all.reserve(cases.size());
    for (const SelectCase& one : cases) all.push_back(one.case_.get());
    return sched::select_among(all);
}

}  // namespace reeve
