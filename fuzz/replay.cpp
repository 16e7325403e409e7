// A target without a fuzzer: runs it once on each file, and on each file of each folder. For every compiler and build.
// A finding ends the program (abort or sanitizer) after the file's name was printed. Exit code: 0 all passed, 2 wrong
// use.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size);

namespace {

namespace fs = std::filesystem;

void run(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) {
    std::fprintf(stderr, "replay: error: cannot read %s\n", path.string().c_str());
    std::exit(2);
  }
  std::vector<char> octets{std::istreambuf_iterator<char>{file}, {}};
  octets.shrink_to_fit();  // so that AddressSanitizer sees a look past the end
  std::fprintf(stderr, "%s\n", path.string().c_str());
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size());
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s FILE|FOLDER...\n", arguments[0]);
    return 2;
  }
  std::vector<fs::path> files;
  for (int i = 1; i < count; ++i) {
    if (!fs::is_directory(arguments[i])) {
      files.emplace_back(arguments[i]);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator{arguments[i]}) {
      if (entry.is_regular_file() && entry.path().filename() != "README.md") files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  for (const fs::path& path : files) run(path);
  std::printf("%zu inputs passed\n", files.size());
  return files.empty() ? 2 : 0;
}
