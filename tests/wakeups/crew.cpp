#include "tests/wakeups/crew.hpp"

#include <utility>

#include "apps/starve/hogs/work.hpp"

using namespace std::chrono_literals;

namespace reeve::storm {

void Member::dawdle() {
    const std::uint64_t choice = below(64);
    if (choice == 0) starve::hogs::keep(starve::hogs::compute(choice, below(starve::hogs::k_rounds_per_ms)));
    if (choice == 1) sleep_for(std::chrono::microseconds(below(300)));
    if (choice < 12 && choice > 1) this_fiber::yield();
}

void Member::expose(std::optional<CancelSource> source) {
    mutex_.lock();
    source_ = std::move(source);
    mutex_.unlock();
}

void Member::meddle() {
    mutex_.lock();
    const std::optional<CancelSource> source = std::exchange(source_, std::nullopt);
    mutex_.unlock();
    if (source) source->cancel();
}

Crew::Crew(Storm& storm, Team& team) : storm_(storm), team_(team) {}

Crew::~Crew() { join(); }

void Crew::add(std::function<void(Member& self)> body) {
    const std::size_t number = members_.size();
    Member& member = members_.emplace_back(storm_, team_, storm_.chance(team_.part * 100 + number));
    ++team_.fibers;
    auto run = [this, &member, body = std::move(body)] {
        body(member);
        --team_.fibers;
    };
    if (number % 3 == 1)
        threads_.emplace_back(std::move(run));
    else
        fibers_.push_back(spawn({.name = team_.name}, std::move(run)));
}

void Crew::join() {
    if (is_done_) return;
    auto meddler = spawn({.name = "meddler"}, [this, chance = storm_.chance(team_.part * 100 + 99)]() mutable {
        while (!is_done_) {
            members_[chance.below(members_.size())].meddle();
            sleep_for(std::chrono::microseconds(chance.below(200)));
        }
    });
    for (auto& fiber : fibers_) fiber.join();
    fibers_.clear();
    for (auto& thread : threads_) blocking([&] { thread.join(); });
    threads_.clear();
    is_done_ = true;
    meddler.join();
}

}  // namespace reeve::storm
