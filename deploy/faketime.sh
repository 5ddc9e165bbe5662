# shellcheck shell=bash
# Source this, then call `find_faketime`: it sets and exports FAKETIME_LIBRARY, the library that gives one process a wall clock
# of its own, and installs it with apt where it is missing.

find_faketime() {
  FAKETIME_LIBRARY=$(faketime_library) || {
    install_faketime || return 1
    FAKETIME_LIBRARY=$(faketime_library) || {
      echo 'libfaketime was installed, but libfaketimeMT.so.1 is nowhere' >&2
      return 1
    }
  }
  export FAKETIME_LIBRARY
}

# The build for programs with threads.
faketime_library() {
  local library
  for library in "${FAKETIME_LIBRARY:-}" /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib/faketime/libfaketimeMT.so.1 \
    /usr/local/lib/faketime/libfaketimeMT.so.1; do
    if [[ -f $library ]]; then
      printf '%s\n' "$library"
      return
    fi
  done
  return 1
}

install_faketime() {
  if ! command -v apt-get >/dev/null; then
    echo 'libfaketime is missing. Install it, or set FAKETIME_LIBRARY to libfaketimeMT.so.1.' >&2
    return 1
  fi
  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    if ! sudo -n true 2>/dev/null; then
      echo 'libfaketime is missing, and it takes root: sudo apt-get install libfaketime' >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo 'installing libfaketime with apt' >&2
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  "${apt[@]}" install -y --no-install-recommends libfaketime >&2 ||
    { "${apt[@]}" update >&2 && "${apt[@]}" install -y --no-install-recommends libfaketime >&2; }
}
