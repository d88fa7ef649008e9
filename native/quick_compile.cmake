# What makes compiling quick: headers are read once, and code that is not worth more is optimized less. pyproject.toml
# turns it on for what is installed and off for editable installs, where ccache does better.
option(SUBGRAFT_QUICK_COMPILE "precompile headers; -O3 for nothing but fast kernels" OFF)

# A compiler needs up to 600 MB here: small boards run as few at once as their memory holds.
set(memory_of_job_mb 768)
cmake_host_system_information(RESULT memory_mb QUERY TOTAL_PHYSICAL_MEMORY)
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
math(EXPR jobs "${memory_mb} / ${memory_of_job_mb}")
if(jobs LESS cores)
  if(jobs LESS 1)
    set(jobs 1)
  endif()
  set_property(GLOBAL PROPERTY JOB_POOLS compile=${jobs})
  set(CMAKE_JOB_POOL_COMPILE compile)
endif()

# src/micro, what lies around it and the executor keep -O3. The rest runs once per model or where no fast kernel fits: it gets
# the loops on vectors of -O3, but not its copies of loops and functions.
set(less_optimized -O2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND less_optimized -ftree-vectorize -fvect-cost-model=dynamic)
endif()

if(SUBGRAFT_QUICK_COMPILE AND NOT SUBGRAFT_BUILT_CORE)
  set(slow_parts ${core_sources})
  list(FILTER slow_parts EXCLUDE REGEX "/src/(micro|runtime)/")
  set(fast "fast|float|int8|int16|hybrid|depthwise|gemm|lstm|pack|pool|rfft|rnn|sparse|svdf|wide")
  list(FILTER slow_parts EXCLUDE REGEX "/src/kernels/[a-z0-9_]*(${fast})[a-z0-9_]*\\.cpp$")
  set_source_files_properties(${slow_parts} PROPERTIES COMPILE_OPTIONS "${less_optimized}")
  target_precompile_headers(core PRIVATE <algorithm> <cmath> <cstring> <map> <mutex> src/runtime/kernel.h)
  # These have other flags, with which what the others read cannot be used.
  set(variants ${core_sources})
  list(FILTER variants INCLUDE REGEX "/micro/[a-z0-9_]*_[a-z0-9]*\\.cpp$")
  set_source_files_properties(${variants} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endif()

# The bindings only pass on what others compute.
function(quick_compile_bindings)
  if(SUBGRAFT_QUICK_COMPILE)
    target_compile_options(_native PRIVATE -O1)
    target_precompile_headers(_native PRIVATE <pybind11/numpy.h> <pybind11/pybind11.h> <pybind11/stl.h>)
  endif()
endfunction()
