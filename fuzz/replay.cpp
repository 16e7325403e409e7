// A target without a fuzzer: runs it once on each file, and on each file of each folder, with any compiler. Prints the
// name of a file before it runs, because a finding ends the program. Exit code: 0 all passed, 2 wrong use.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size);

int main(int count, char** arguments) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (const char* const argument : std::span{arguments, static_cast<std::size_t>(count)}.subspan(1)) {
    if (!fs::is_directory(argument)) files.emplace_back(argument);
    std::error_code none;  // a file has no entries
    for (const auto& entry : fs::recursive_directory_iterator{argument, none}) {
      if (entry.is_regular_file() && entry.path().filename() != "README.md") files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  for (const fs::path& path : files) {
    std::ifstream file{path, std::ios::binary};
    std::vector<char> octets{std::istreambuf_iterator<char>{file}, {}};
    octets.shrink_to_fit();  // so that AddressSanitizer sees a read past the end
    std::fprintf(stderr, file ? "%s\n" : "cannot read %s\n", path.string().c_str());
    if (!file) return 2;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size());
  }
  std::printf("%zu inputs passed\n", files.size());
  if (files.empty()) std::fprintf(stderr, "usage: %s FILE|FOLDER...\n", arguments[0]);
  return files.empty() ? 2 : 0;
}
