// Catch2, whichever of versions 2 and 3 the system has. Tests include this and nothing of Catch2 directly.
//
// Catch2's macros are not thread-safe and a failing REQUIRE throws: use them on the test's own OS thread only, after
// run() has returned. Inside fibers use REEVE_EXPECT (reeve_test.hpp).
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
