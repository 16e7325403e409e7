# The flags that make a fault in a release build harder to exploit, as far as the compiler has them:
# kcom5_hardening. impl/tests/test_hardened.py reads the programs.
include(CheckCXXCompilerFlag)
include(CheckCXXSourceCompiles)
include(CheckPIESupported)

option(KCOM5_HARDENED "Harden the library and the programs of release builds" ON)
add_library(kcom5_hardening INTERFACE)

function(kcom5_harden)
  set(flags "")
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
    string(MAKE_C_IDENTIFIER "KCOM5_HAS${flag}" has)
    check_cxx_compiler_flag(${flag} ${has})
    if(${has})
      list(APPEND flags ${flag})
    endif()
  endforeach()
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -Werror")
  check_cxx_source_compiles("#include <cstring>\nint main() { return 0; }" KCOM5_HAS_FORTIFY_3)
  # _GLIBCXX_ASSERTIONS costs 250 instructions of an exchange of 64 bytes, less than 0.1 of some 100 us (callgrind; 15
  # interleaved pairs of the benchmark's contender: median 0.99 of the time without it, processor time 1.02).
  list(APPEND flags -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${KCOM5_HAS_FORTIFY_3}>,3,2> -D_GLIBCXX_ASSERTIONS)
  target_compile_options(kcom5_hardening INTERFACE "$<$<CONFIG:Release,MinSizeRel>:${flags}>")
  if(NOT APPLE)
    target_link_options(kcom5_hardening INTERFACE "$<$<CONFIG:Release,MinSizeRel>:LINKER:-z,relro,-z,now,-z,noexecstack>")
  endif()
endfunction()

if(KCOM5_HARDENED AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  kcom5_harden()
  check_pie_supported(LANGUAGES CXX)
endif()
