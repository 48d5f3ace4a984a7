// A day of the calendar, to count from and to write. What day it is, nobody asks here.
#pragma once

#include <chrono>

namespace forerun {

using CalendarDay = std::chrono::sys_days;

}  // namespace forerun
