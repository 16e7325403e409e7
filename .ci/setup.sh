# shellcheck shell=bash
# Installs what is missing; for ./check and ./conform to source. After it: $CLANG names clang++, $VENV a Python
# environment with what the conformance suite needs, and to check with the tools of requirements.txt, too.
#
# Debian and Ubuntu as root: it installs, and says what. Anywhere else: it prints the command to run, and ends.
# PURPOSE is what is to be done: `suite` runs the suite, `build` the implementations too, `check` (the default) all.

PURPOSE=${PURPOSE:-check}

VENV=$PWD/build/venv

say() { printf '%s\n' "$*" >&2; }

# The newest clang++ that is there.
find_clang() {
  local name
  for name in clang++-{22,21,20,19,18,17,16,15} clang++; do
    if command -v "$name" > /dev/null; then printf '%s' "$name"; return; fi
  done
}

# Names of Debian packages for what cannot be found. Each purpose needs what stands before it, too.
missing_packages() {
  command -v python3 > /dev/null || printf 'python3 '
  python3 -c 'import ensurepip, venv' 2> /dev/null || printf 'python3-venv '
  [ "$PURPOSE" = suite ] && return

  command -v cmake > /dev/null || printf 'cmake '
  command -v ninja > /dev/null || printf 'ninja-build '
  command -v g++ > /dev/null || printf 'g++ '
  command -v go > /dev/null || printf 'golang-go '
  missing_headers CLI/CLI.hpp:libcli11-dev nlohmann/json.hpp:nlohmann-json3-dev \
    openssl/evp.h:libssl-dev
  [ "$PURPOSE" = build ] && return

  command -v git > /dev/null || printf 'git '
  command -v chromium > /dev/null || command -v google-chrome > /dev/null || printf 'chromium '
  command -v chromedriver > /dev/null || printf 'chromium-driver '
  if [ -z "$(find_clang)" ]; then
    printf 'clang-19 libclang-rt-19-dev '
  elif ! printf 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' | "$(find_clang)" -fsanitize=fuzzer,address,undefined -x c++ - -o /dev/null 2> /dev/null; then
    printf 'libclang-rt-%s-dev ' "$("$(find_clang)" -dumpversion | cut -d. -f1)"
  fi
  missing_headers gtest/gtest.h:libgtest-dev rapidcheck/gtest.h:librapidcheck-dev
}

missing_headers() { # HEADER:PACKAGE…
  local header
  for header in "$@"; do
    find /usr/include /usr/local/include /opt/homebrew/include -path "*/${header%%:*}" 2> /dev/null | grep -q . ||
      printf '%s ' "${header##*:}"
  done
}

install_packages() {
  local packages
  packages=$(missing_packages)
  [ -z "$packages" ] && return
  if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
    say "installing: $packages"
    export DEBIAN_FRONTEND=noninteractive
    local get="apt-get -qq -o Acquire::Retries=3 -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # lists of words
    { $get update && $get install -y --no-install-recommends $packages; } > build/setup.log 2>&1 || {
      tail -n 20 build/setup.log >&2
      say "error: the installation failed; all of its output is in build/setup.log"
      exit 1
    }
    return
  fi
  say "error: missing: $packages"
  say "hint: one of these installs them; then run this again:"
  say "  sudo apt-get install -y $packages"
  say "  sudo dnf install -y cmake ninja-build gcc-c++ clang compiler-rt git golang python3 chromium chromedriver cli11-devel json-devel gtest-devel openssl-devel"
  say "  brew install cmake ninja llvm git go python cli11 nlohmann-json googletest openssl chromedriver"
  say "(RapidCheck and what your system does not have is fetched by CMake.)"
  exit 1
}

# A virtual environment that is made again when what it has to have changes.
install_venv() {
  local lists=(conformance/requirements.txt) wanted
  [ "$PURPOSE" = check ] && lists+=(.ci/requirements.txt)
  wanted=$(cat "${lists[@]}")
  # One that was made to check serves the suite, too.
  [[ -e $VENV/packages && $(cat "$VENV/packages")$'\n' == "$wanted"$'\n'* ]] && return
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    say "error: $(python3 --version) is too old: the suite needs Python 3.10 or newer"
    say "hint: install a newer Python, and put it before the other in PATH"
    exit 1
  }
  say "installing the Python packages of ${lists[*]} to build/venv"
  rm -rf "$VENV"
  { python3 -m venv "$VENV" && "$VENV/bin/pip" install --quiet --disable-pip-version-check --timeout 60 --retries 3 "${lists[@]/#/-r}"; } || {
    say "error: the Python packages could not be installed; the reason is above"
    say "hint: look at the network and at pip's settings, then run this again"
    exit 1
  }
  printf '%s\n' "$wanted" > "$VENV/packages"
}

mkdir -p build
install_packages
install_venv
# shellcheck disable=SC2034 # for who sources this
CLANG=$(find_clang)
