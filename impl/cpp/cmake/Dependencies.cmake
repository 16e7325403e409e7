# Each library from the system, or else from its repository at a fixed commit.
include(FetchContent)
find_package(Threads REQUIRED)

# NAME as find_package knows it; TARGET that it must give. COMMIT and not a tag, which can be moved.
macro(kcom5_require NAME TARGET REPOSITORY COMMIT)
  find_package(${NAME} QUIET)
  if(NOT TARGET ${TARGET})
    message(STATUS "${NAME} is not installed: fetching ${REPOSITORY} ${COMMIT}")
    FetchContent_Declare(${NAME} GIT_REPOSITORY ${REPOSITORY} GIT_TAG ${COMMIT})
    FetchContent_MakeAvailable(${NAME})
  endif()
endmacro()

if(KCOM5_BUILD_ADAPTER)
  kcom5_require(nlohmann_json nlohmann_json::nlohmann_json https://github.com/nlohmann/json.git 9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03) # 3.11.3
  find_package(OpenSSL REQUIRED COMPONENTS Crypto)  # the adapter's SHA-256
endif()
if(KCOM5_BUILD_TESTS)
  kcom5_require(GTest GTest::gtest_main https://github.com/google/googletest.git b514bdc898e2951020cbdca1304b75f5950d1f59) # 1.15.2
endif()
