#!/bin/bash
# Builds every native/test/*_test.cc twice, with AddressSanitizer (and undefined behaviour) and with
# ThreadSanitizer, and runs it. Needs root: the tests make network namespaces.
# usage: run.sh [part of a test file's name]
set -euo pipefail
cd "$(dirname "$0")/../.."

only="${1:-}"
flags=(-std=c++20 -g -O1 -fno-omit-frame-pointer -fno-exceptions -fno-rtti -fno-strict-aliasing
  -Wall -Wextra -Werror -Wno-restrict -Wno-tsan -Inative -Ibpf)

# All of native/ that knows nothing of Node, but for programs' main files.
sources=()
while IFS= read -r source; do sources+=("$source"); done < <(
  grep -LE '#include (<napi.h>|<uv.h>|"(base/args|base/poll_watch|reactor/uv_driver).h")|^int main\(' native/*/*.cc |
    grep -vE '^native/enter/|^native/test/.*_test\.cc$')

# One run at a time: two would write the same objects.
mkdir -p build/native-test
exec 9> build/native-test/.lock
flock 9

# An object is made again when anything that it was made of is newer.
stale() {
  local object="$1" part
  [ -f "$object" ] && [ -f "$object.d" ] || return 0
  for part in $(sed -e 's/^[^:]*://' -e 's/\\$//' "$object.d"); do
    [ "$part" -nt "$object" ] && return 0
  done
  return 1
}

compile() {
  local sanitizer="$1" source="$2" object="$3"
  stale "$object" || return 0
  mkdir -p "$(dirname "$object")"
  g++ "${flags[@]}" "-fsanitize=$sanitizer" -MMD -MF "$object.d" -c "$source" -o "$object"
}

for sanitizer in address,undefined thread; do
  out="build/native-test/$sanitizer"
  objects=()
  for source in "${sources[@]}"; do
    object="$out/${source%.cc}.o"
    objects+=("$object")
    compile "$sanitizer" "$source" "$object" &
    # Two at a time: this runs beside other work.
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
  done
  wait
  for object in "${objects[@]}"; do [ -f "$object" ] || exit 1; done
  for test in native/test/*"$only"*_test.cc; do
    name="$(basename "${test%.cc}")"
    compile "$sanitizer" "$test" "$out/$name.o"
    g++ "-fsanitize=$sanitizer" "$out/$name.o" "${objects[@]}" -lbpf -lelf -lz -lpthread -o "$out/$name"
    echo "$name ($sanitizer)"
    # ThreadSanitizer's shadow memory collides with wide address randomisation (vm.mmap_rnd_bits 32).
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1 \
      ASAN_OPTIONS=detect_leaks=1 setarch -R "$out/$name"
  done
done
