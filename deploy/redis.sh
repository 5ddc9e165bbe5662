# shellcheck shell=bash
# Source this, then call `find_redis`: it sets and exports REDIS_SERVER, the server's program, and installs it with apt
# where it is missing. A server that the package may start by itself is never used.

find_redis() {
  REDIS_SERVER=$(redis_program) || {
    install_redis || return 1
    REDIS_SERVER=$(redis_program) || {
      echo 'Redis was installed, but there is no redis-server anywhere' >&2
      return 1
    }
  }
  export REDIS_SERVER
}

redis_program() {
  local program
  for program in "${REDIS_SERVER:-}" "$(command -v redis-server || true)" \
    /usr/bin/redis-server /opt/homebrew/bin/redis-server /usr/local/bin/redis-server; do
    if [[ -n $program && -x $program ]]; then
      printf '%s\n' "$program"
      return
    fi
  done
  return 1
}

install_redis() {
  if ! command -v apt-get >/dev/null; then
    echo 'Redis is missing. Install redis-server, version 6.2 or newer, e.g. `brew install redis`,' >&2
    echo 'or set REDIS_SERVER to the program.' >&2
    return 1
  fi
  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    if ! sudo -n true 2>/dev/null; then
      echo 'Redis is missing, and it takes root: sudo apt-get install redis-server' >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo 'installing Redis with apt' >&2
  # The run level keeps the package from starting a server of its own where that can be asked for.
  local apt=("${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  "${apt[@]}" install -y --no-install-recommends redis-server >&2 ||
    { "${apt[@]}" update >&2 && "${apt[@]}" install -y --no-install-recommends redis-server >&2; }
}
