#include "runtime/context/exception_state.hpp"

#include <cxxabi.h>

namespace reeve::context {

[[gnu::noinline]] ExceptionState* exception_state_of_thread() {
    // __cxa_eh_globals is opaque in the header; the ABI fixes its layout: { void* caughtExceptions; unsigned uncaught }.
    return reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
}

}  // namespace reeve::context
