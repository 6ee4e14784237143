// Rings: each function is the body of one fiber that starts a crew whose members park and wake each other by one sort of thing,
// until the storm is over; then it joins them and compares the counts of both sides.
#pragma once

#include <array>

#include "tests/storm/storm.hpp"

namespace reeve::storm {

struct Ring {
    const char* name;
    void (*body)(Storm& storm, Team& team);
};

// rings_values.cpp
void pass_tokens(Storm& storm, Team& team);
void select_tokens(Storm& storm, Team& team);
void tell_by_rounds(Storm& storm, Team& team);
void talk_through_pipes(Storm& storm, Team& team);
void listen_to_tickers(Storm& storm, Team& team);

// rings_locks.cpp
void lock_mutex(Storm& storm, Team& team);
void lock_shared_mutex(Storm& storm, Team& team);
void take_turns_by_condition(Storm& storm, Team& team);
void share_units(Storm& storm, Team& team);
void alternate_by_semaphores(Storm& storm, Team& team);
void meet_at_barrier(Storm& storm, Team& team);

// rings_lives.cpp
void open_scopes(Storm& storm, Team& team);
void join_children(Storm& storm, Team& team);
void cancel_trees(Storm& storm, Team& team);

inline constexpr std::array k_rings{
    Ring{"channel", pass_tokens},
    Ring{"select", select_tokens},
    Ring{"event, latch, wait group, once, future, token", tell_by_rounds},
    Ring{"pipe", talk_through_pipes},
    Ring{"ticker", listen_to_tickers},
    Ring{"mutex", lock_mutex},
    Ring{"shared mutex", lock_shared_mutex},
    Ring{"condition", take_turns_by_condition},
    Ring{"semaphore", share_units},
    Ring{"semaphore pair", alternate_by_semaphores},
    Ring{"barrier", meet_at_barrier},
    Ring{"scope", open_scopes},
    Ring{"join", join_children},
    Ring{"cancel tree", cancel_trees},
};

}  // namespace reeve::storm
