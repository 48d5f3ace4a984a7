# The one target that carries language standard, include root, warnings and sanitizers.
include(GNUInstallDirs)
add_library(forerun_flags INTERFACE)
add_library(forerun::flags ALIAS forerun_flags)
target_compile_features(forerun_flags INTERFACE cxx_std_20)
target_include_directories(forerun_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(forerun_flags INTERFACE
  # CMake 3.25.1 cannot request CUDA C++20 by feature or property.
  $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-Xcompiler=-Wall,-Wextra>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wsign-conversion;-Wnon-virtual-dtor;-Woverloaded-virtual>
  # In a unity build a local name may be that of another source's constant.
  $<$<COMPILE_LANGUAGE:CXX>:$<IF:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>,-Wshadow=local,-Wshadow>>
  # g++ 12 warns of overlapping copies inside its own std::string (GCC bug 105651).
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${FORERUN_WARNINGS_AS_ERRORS}>>:-Werror>)
# FORERUN_IS_TEST: the code that tests call is instrumented, that of the tests is not, which would
# take longer to compile than all the rest.
if(FORERUN_SANITIZE)
  target_compile_options(forerun_flags INTERFACE
    # g++ sees uninitialised reads in instrumented std::regex and std::function that are not there.
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<BOOL:$<TARGET_PROPERTY:FORERUN_IS_TEST>>>>:-fsanitize=address,undefined;-fno-sanitize-recover=all>
    $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  target_link_options(forerun_flags INTERFACE -fsanitize=address,undefined)
endif()
# Every static library here may end up inside a module that is opened at run time.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()
