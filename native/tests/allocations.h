// How often the heap of this process was asked for memory.
#pragma once

// On: from 0. Allocations of all threads count.
void count_allocations(bool on);
long counted_allocations();
