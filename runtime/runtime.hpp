// Everything of the runtime that users call. See README.md in this folder.
#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/time.hpp"
#include "runtime/blocking.hpp"
#include "runtime/channel.hpp"
#include "runtime/condition.hpp"
#include "runtime/config.hpp"
#include "runtime/fd.hpp"
#include "runtime/gather.hpp"
#include "runtime/go.hpp"
#include "runtime/mutex.hpp"
#include "runtime/no_preempt.hpp"
#include "runtime/pin_to_thread.hpp"
#include "runtime/run.hpp"
#include "runtime/sleep.hpp"
#include "runtime/stats.hpp"
#include "runtime/wait_group.hpp"
