# shellcheck shell=bash
# Source this, then call `find_postgres`: it sets and exports PG_BIN, the folder with PostgreSQL's
# server programs, and installs them with apt where they are missing.
# Debian's own cluster is never made and never used.

find_postgres() {
  PG_BIN=$(postgres_folder) || {
    install_postgres || return 1
    PG_BIN=$(postgres_folder) || {
      echo 'PostgreSQL was installed, but initdb, postgres and pg_ctl are not side by side anywhere' >&2
      return 1
    }
  }
  export PG_BIN
}

# PATH first (links followed: the siblings stand at the real place), then the packagers' folders,
# newest version first.
postgres_folder() {
  local folder
  while IFS= read -r folder; do
    if [[ -x $folder/initdb && -x $folder/postgres && -x $folder/pg_ctl ]]; then
      printf '%s\n' "$folder"
      return
    fi
  done < <(postgres_candidates)
  return 1
}

postgres_candidates() {
  local folder program
  [[ -z ${PG_BIN:-} ]] || printf '%s\n' "$PG_BIN"
  while IFS= read -r -d: folder; do
    program=$(real_path "$folder/initdb") && dirname "$program"
  done <<<"${PATH}:"
  for folder in /usr/lib/postgresql/*/bin \
    /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    printf '%s %s\n' "$(sed 's/^[^0-9]*\([0-9]*\).*/\1/' <<<"$folder")" "$folder"
  done | sort -rn 2>/dev/null | cut -d' ' -f2- 2>/dev/null # whoever found one reads no further
}

# `readlink -f` is missing on older macOS.
real_path() {
  [[ -e $1 ]] || return 1
  local path=$1
  while [[ -L $path ]]; do
    local target
    target=$(readlink "$path")
    [[ $target == /* ]] && path=$target || path=$(dirname "$path")/$target
  done
  [[ -e $path ]] && printf '%s\n' "$path"
}

install_postgres() {
  if ! command -v apt-get >/dev/null; then
    echo 'PostgreSQL is missing. Install its server programs (initdb, postgres, pg_ctl), version 14' >&2
    echo 'or newer, e.g. `brew install postgresql@17`, or set PG_BIN to their folder.' >&2
    return 1
  fi
  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    if ! sudo -n true 2>/dev/null; then
      echo 'PostgreSQL is missing, and it takes root: sudo apt-get install postgresql' >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo 'installing PostgreSQL with apt' >&2
  "${as_root[@]}" mkdir -p /etc/postgresql-common || return 1
  forbid_main_cluster "${as_root[@]}" || return 1
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  "${apt[@]}" install -y --no-install-recommends postgresql >&2 ||
    { "${apt[@]}" update >&2 && "${apt[@]}" install -y --no-install-recommends postgresql >&2; }
}

# An administrator's own file is added to, not replaced.
forbid_main_cluster() {
  local settings=/etc/postgresql-common/createcluster.conf
  grep -qs '^create_main_cluster' "$settings" ||
    echo 'create_main_cluster = false' | "$@" tee -a "$settings" >/dev/null
}
