// An arrow never points up: what each layer includes, and what the core must not use. See impl/README.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace kcom5::test {
namespace {

namespace fs = std::filesystem;

// Each file, by its name without extension, and the names it may include. The core: errors to exchange.
const std::map<std::string, std::set<std::string>> layers{
    {"errors", {}},
    {"wire", {}},
    {"address", {"errors", "wire"}},
    {"exchange", {"errors", "wire"}},
    {"failure", {"errors"}},
    {"buffer", {"wire", "system"}},
    {"options", {}},
    {"system", {"wire"}},
    {"system_socket_posix", {"system"}},
    {"system_file_posix", {"system"}},
    {"system_memory_posix", {"system"}},
    {"deadline", {}},
    {"words", {"failure", "options"}},
    {"waits", {"deadline", "system", "words"}},
    {"block", {"wire"}},
    {"passing_name", {"system"}},
    {"source", {"block", "failure", "output", "system", "waits", "wire"}},
    {"output", {"block", "failure", "passing_name", "system", "waits", "wire"}},
    {"sink", {"block", "buffer", "failure", "output", "system"}},
    {"stream", {"deadline", "exchange", "failure", "options", "system"}},
    {"unix_path", {"deadline", "failure", "passing_name", "system", "words"}},
    {"listener", {"deadline", "failure", "options", "stream", "system", "unix_path", "words"}},
    {"server",
     {"address", "exchange", "failure", "listener", "options", "source", "stream", "system", "waits", "wire", "words"}},
    {"client",
     {"address", "buffer", "exchange", "failure", "options", "output", "sink", "stream", "system", "unix_path", "waits",
      "words"}},
    {"kcom5", {"address", "client", "server"}},
};

const std::set<std::string> core{"errors", "wire", "address", "exchange"};
// What the core may use of the language: nothing that does I/O, tells the time, or throws by design.
const std::set<std::string> core_headers{"algorithm", "array", "cstddef",     "cstdint", "limits",
                                         "optional",  "span",  "string_view", "string",  "system_error"};

TEST(Layering, AnArrowNeverPointsUp) {
  const std::regex include{R"(#include ["<](?:kcom5/)?([^">]+?)(?:\.hpp)?[">])"};
  int files = 0;
  for (const char* const folder : {"src", "include/kcom5"}) {
    for (const auto& entry : fs::directory_iterator{fs::path{KCOM5_CPP} / folder}) {
      const std::string file = entry.path().stem();
      ASSERT_TRUE(layers.contains(file)) << file << ": say here which layer it is of";
      ++files;
      std::ifstream in{entry.path()};
      for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (!std::regex_search(line, match, include)) continue;
        const std::string target = match[1];
        if (layers.contains(target) && target != file) {
          EXPECT_TRUE(layers.at(file).contains(target)) << file << " must not include " << target;
        } else if (core.contains(file) && target != file) {
          EXPECT_TRUE(core_headers.contains(target)) << file << ", of the core, must not include <" << target << ">";
        }
      }
    }
  }
  EXPECT_GT(files, 20);
}

}  // namespace
}  // namespace kcom5::test
