// fault OCTETS: uses so much memory once, in huge pages where there are some, and gives it back to the system.
//
// The host of a virtual machine may take free memory away from it, within seconds; who uses it next pays for that ten
// times what the octets cost. So the benchmark runs this before each row that needs much.
#include <sys/mman.h>

#include <charconv>
#include <cstddef>
#include <string_view>

int main(int count, char** arguments) {
  std::size_t size = 0;
  if (count != 2) return 2;
  const std::string_view text{arguments[1]};
  if (std::from_chars(text.data(), text.data() + text.size(), size).ec != std::errc{} || size == 0) return 2;
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 4;
#ifdef MADV_HUGEPAGE
  ::madvise(memory, size, MADV_HUGEPAGE);
#endif
  for (std::size_t i = 0; i < size; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
  return 0;
}
