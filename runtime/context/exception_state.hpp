// ExceptionState: what the C++ runtime keeps per thread about exceptions being handled or thrown, carried per fiber.
//
// A fiber may park inside a catch block or a destructor during unwinding and continue on another thread. The two words
// of __cxa_eh_globals (Itanium C++ ABI 2.2.2) must go with it. The address of the thread's pair is asked for once per
// thread and kept by its worker, because the compiler may cache __cxa_get_globals() across a switch.
//
// On a switch, in the runtime; never in a signal handler.
#pragma once

namespace reeve::context {

struct ExceptionState {
    void* caught = nullptr;
    unsigned uncaught = 0;
};

// The pair of the calling thread; valid until that thread ends.
[[nodiscard]] ExceptionState* exception_state_of_thread();

}  // namespace reeve::context
