// Teams that talk: each function is the body of one fiber, which starts the team's others, lets them talk until the storm is
// over, joins them and compares the counts of both sides.
#pragma once

#include "tests/storm/storm.hpp"

namespace reeve::storm {

// talk.cpp
void talk_in_channels(Storm& storm, Team& team);
void count_under_mutex(Storm& storm, Team& team);
void sleep_and_block(Storm& storm, Team& team);

// talk_tree.cpp
void grow_trees(Storm& storm, Team& team);
void gather_results(Storm& storm, Team& team);

// talk_net.cpp
void echo_over_tcp(Storm& storm, Team& team);

}  // namespace reeve::storm
