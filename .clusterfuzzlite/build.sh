#!/usr/bin/env bash
# Called in the image of ClusterFuzzLite, which sets CXX, CXXFLAGS, LIB_FUZZING_ENGINE and OUT. Makes each target with its
# seeds, dictionary and options. Needs no library beside the compiler's.
set -eu
python3 fuzz/make_corpus.py "$OUT/seeds"
build() { # TARGET CORPUS MUTATOR DICTIONARY MAX_LEN
  local mutator=fuzz/mutators/$3.cpp
  [ "${FUZZING_ENGINE:-libfuzzer}" = libfuzzer ] || mutator= # it is libFuzzer's
  # shellcheck disable=SC2086 # lists of flags
  $CXX $CXXFLAGS -std=c++20 -I fuzz/include -I impl/cpp/include \
    impl/cpp/src/{errors,wire,address,exchange}.cpp fuzz/users/cpp.cpp "fuzz/targets/$1.cpp" fuzz/targets/support.cpp $mutator \
    $LIB_FUZZING_ENGINE -o "$OUT/$1"
  { cat fuzz/libfuzzer.options && printf 'dict = %s.dict\nmax_len = %s\n' "$4" "$5"; } > "$OUT/$1.options"
  (cd "$OUT/seeds/$2" && zip -q -r "$OUT/$1_seed_corpus.zip" .)
  find fuzz/regressions -type f ! -name README.md -exec zip -q -j "$OUT/$1_seed_corpus.zip" {} +
}
build address address address address 160
build client client frame stream 48
build server server hello stream 16
build pair client frame stream 48
build roundtrip client frame stream 48
cp fuzz/*.dict "$OUT/"
rm -r "$OUT/seeds"
