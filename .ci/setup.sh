# shellcheck shell=bash
# Installs missing packages; ./check and ./conform source it. It sets $VENV to a Python environment with the packages of
# the suite (and of the checks, if NEEDS has `tools`), and $CLANG to clang++, if it is needed.
#
# As root on Debian and Ubuntu it installs the packages and prints their names. Elsewhere it prints the command to run,
# and exits. NEEDS lists the needs in addition to Python:
#   cxx      CMake, Ninja, a C++ compiler, and the libraries of the C++ programs
#   tests    the libraries of the C++ tests
#   clang    clang++ with its sanitizers and libFuzzer
#   go       Go, and a C compiler for its race detector
#   tools    the Python packages of the checks
#   git      git
#   browser  Chromium and its driver (optional)
#   spin     the model checker and a C compiler (optional)
#   strace   strace (optional)

NEEDS=${NEEDS-}

VENV=$PWD/build/venv

say() { printf '%s\n' "$*" >&2; }

needs() { case " $NEEDS " in *" $1 "*) ;; *) return 1 ;; esac; }

# Prints the newest installed clang++.
find_clang() {
  local name
  for name in clang++-{22,21,20,19,18,17,16} clang++; do
    if command -v "$name" > /dev/null; then printf '%s' "$name"; return; fi
  done
}

# Prints the clang release to install. 19 is preferred, because the scanners are of that release.
clang_release() {
  local release
  for release in 19 20 21 22 18 17 16; do
    apt-cache show "clang-$release" > /dev/null 2>&1 && break
  done
  printf '%s' "$release"
}

# Prints the Debian packages of missing programs and headers.
missing_packages() {
  command -v python3 > /dev/null || printf 'python3 '
  python3 -c 'import ensurepip, venv' 2> /dev/null || printf 'python3-venv '
  ! needs git || command -v git > /dev/null || printf 'git '
  if needs cxx; then
    command -v cmake > /dev/null || printf 'cmake '
    command -v ninja > /dev/null || printf 'ninja-build '
    missing_headers nlohmann/json.hpp:nlohmann-json3-dev openssl/evp.h:libssl-dev
  fi
  if needs cxx || needs go; then command -v "${CXX:-c++}" > /dev/null || printf 'g++ '; fi
  ! needs go || command -v go > /dev/null || printf 'golang-go '
  ! needs tests || missing_headers gtest/gtest.h:libgtest-dev rapidcheck/gtest.h:librapidcheck-dev
  if needs clang; then
    local clang
    clang=$(find_clang)
    if [ -z "$clang" ] || ! at_least "$("$clang" -dumpversion)" 16; then
      printf 'clang-%s libclang-rt-%s-dev ' "$(clang_release)" "$(clang_release)"
    elif ! printf 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
      "$clang" -fsanitize=fuzzer,address,undefined -x c++ - -o /dev/null 2> /dev/null; then
      printf 'libclang-rt-%s-dev ' "$("$clang" -dumpversion | cut -d. -f1)"
    fi
  fi
}

missing_headers() { # HEADER:PACKAGE…
  local header
  for header in "$@"; do
    find /usr/include /usr/local/include /opt/homebrew/include -path "*/${header%%:*}" 2> /dev/null | grep -q . ||
      printf '%s ' "${header##*:}"
  done
}

missing_optional() {
  if needs browser; then
    command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null ||
      printf 'chromium '
    command -v chromedriver > /dev/null || printf 'chromium-driver '
  fi
  if needs spin; then
    command -v spin > /dev/null || printf 'spin '
    command -v cc > /dev/null || printf 'gcc libc6-dev '
  fi
  ! needs strace || command -v strace > /dev/null || printf 'strace '
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Acquire::http::Timeout=60 \
    -o DPkg::Lock::Timeout=300 "$@"
}

install_packages() {
  local packages optional
  packages=$(missing_packages)
  optional=$(missing_optional)
  if [ -z "$packages$optional" ]; then return; fi
  if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
    apt update > build/setup.log 2>&1
    packages=$(missing_packages) # again, with the updated package lists
    [ -z "$packages" ] || say "installing: $packages"
    # shellcheck disable=SC2086 # lists of words
    [ -z "$packages" ] || apt install -y --no-install-recommends $packages >> build/setup.log 2>&1 || {
      tail -n 20 build/setup.log >&2
      say "error: the installation failed; all of its output is in build/setup.log"
      exit 1
    }
    if [ -z "$optional" ]; then return; fi
    say "installing: $optional"
    # Beside the Python packages, because both wait for the network most of the time.
    # shellcheck disable=SC2086 # lists of words
    { apt install -y --no-install-recommends $optional >> build/setup.log 2>&1 ||
      say "warning: $optional cannot be installed: what needs it is not run"; } &
    return
  fi
  if [ -z "$packages" ]; then return; fi # tests that need an optional package are not run
  say "error: missing: $packages"
  say "hint: install it and run this again; as root:"
  if command -v apt-get > /dev/null; then
    say "  apt-get update && apt-get install -y --no-install-recommends $packages$optional"
  else
    say "  dnf install -y cmake ninja-build gcc-c++ clang compiler-rt git golang python3 chromium chromedriver json-devel gtest-devel openssl-devel"
    say "or, as any user:"
    say "  brew install cmake ninja llvm git go python nlohmann-json googletest openssl chromedriver"
    say "(CMake fetches RapidCheck and what your system does not have.)"
  fi
  exit 1
}

at_least() { # VERSION LEAST
  [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

require() { # NAME VERSION LEAST
  at_least "$2" "$3" && return
  say "error: $1 is too old: got version ${2:-unknown}, expected $3 or newer"
  say "hint: install a newer one and put it before the other in PATH"
  exit 1
}

# The minimum versions, which README.md also lists.
check_versions() {
  require python3 "$(python3 -c 'import platform; print(platform.python_version())')" 3.10
  if needs cxx; then
    local cxx=${CXX:-c++} least=12
    require cmake "$(cmake --version | sed -n 's/^cmake version //p')" 3.22
    "$cxx" --version | grep -q clang && least=16
    "$cxx" --version | grep -q Apple || require "$cxx" "$("$cxx" -dumpfullversion -dumpversion)" $least
  fi
  if needs go; then
    require go "$(go env GOVERSION | sed 's/^go//; s/ .*//')" "$(sed -n 's/^go //p' impl/go/go.mod)"
  fi
}

# Creates the virtual environment, again if its lock has changed.
install_venv() {
  local list=suite wanted
  needs tools && list=check
  # An environment for the checks also has the packages of the suite.
  wanted=$(cat .ci/$list.lock)
  if [ -e "$VENV/$list.lock" ] && [ "$(cat "$VENV/$list.lock")" = "$wanted" ]; then return; fi
  say "installing the Python packages of .ci/$list.lock to build/venv"
  rm -rf "$VENV"
  { python3 -m venv "$VENV" && "$VENV/bin/pip" install --quiet --disable-pip-version-check --timeout 60 --retries 3 \
    --only-binary :all: --require-hashes -r ".ci/$list.lock"; } || {
    say "error: the Python packages could not be installed; the reason is above"
    say "hint: look at the network and at pip's settings, then run this again"
    exit 1
  }
  cp .ci/suite.lock "$VENV"
  cp ".ci/$list.lock" "$VENV"
}

mkdir -p build
install_packages
check_versions
install_venv
wait # for the optional packages
# shellcheck disable=SC2034 # used by the scripts that source this
CLANG=$(find_clang)
