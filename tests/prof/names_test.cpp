// What is left of a demangled name.
#include "tools/prof/names.hpp"

#include "tests/support/catch.hpp"

using reeve::prof::foldable;
using reeve::prof::shortened;

TEST_CASE("names: parameters and qualifiers go", "[prof]") {
    CHECK(shortened("main") == "main");
    CHECK(shortened("reeve::Mutex::lock(reeve::Deadline)") == "reeve::Mutex::lock");
    CHECK(shortened("a::B::get(std::pair<int, char>) const") == "a::B::get");
    CHECK(shortened("f(int (*)(char), long)") == "f");
}

TEST_CASE("names: scopes inside functions stay", "[prof]") {
    CHECK(shortened("main::{lambda()#1}::operator()() const") == "main::{lambda#1}::operator()");
    CHECK(shortened("a::f(int)::{lambda(a::B&, int)#2}::operator()(a::B&, int) const") ==
          "a::f::{lambda#2}::operator()");
    CHECK(shortened("(anonymous namespace)::serve(int)") == "(anonymous)::serve");
    CHECK(shortened("a::(anonymous namespace)::C::run()") == "a::(anonymous)::C::run");
}

TEST_CASE("names: operators are names, not brackets", "[prof]") {
    CHECK(shortened("a::B::operator<(a::B const&) const") == "a::B::operator<");
    CHECK(shortened("a::B::operator->() const") == "a::B::operator->");
    CHECK(shortened("a::B::operator[](unsigned long)") == "a::B::operator[]");
    CHECK(shortened("a::B::operator bool() const") == "a::B::operator bool");
    CHECK(shortened("operator new(unsigned long)") == "operator new");
    CHECK(shortened("operators::f(int)") == "operators::f");
}

TEST_CASE("names: return types of templates go, short arguments stay", "[prof]") {
    CHECK(shortened("void reeve::go<int>(int)") == "reeve::go<int>");
    CHECK(shortened("reeve::Channel<unsigned long>::send(unsigned long)") ==
          "reeve::Channel<unsigned long>::send");
    CHECK(shortened("std::vector<std::pair<std::string, std::string>, std::allocator<int> >::size() const") ==
          "std::vector<...>::size");
    CHECK(shortened("std::vector<int>* a::make<int>(int)") == "a::make<int>");
}

TEST_CASE("names: what the compiler made of a function is still that function", "[prof]") {
    CHECK(shortened("msort_with_tmp.part.0") == "msort_with_tmp");
    CHECK(shortened("a::f(int) [clone .isra.0]") == "a::f");
}

TEST_CASE("names: the separator of the folded format does not occur in frames", "[prof]") {
    CHECK(foldable("a;b") == "a:b");
}
