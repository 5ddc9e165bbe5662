# shellcheck shell=bash
# Source this, then call `build_programs NAME…`: it compiles these programs of the workspace and sets BUILT to their folder.
# PROFILE is `dev`, the light profile, unless the caller says `release`.

export SQLX_OFFLINE=true

# `--workspace` although a few programs are meant: cargo unites the features that the selected crates ask of a dependency.
# Another selection is another set of features, and compiles half of the dependencies anew.
build_programs() {
  local profile=${PROFILE:-dev}
  cargo build --profile "$profile" --workspace "${@/#/--bin=}" || return
  BUILT=$CARGO_TARGET_DIR/${profile/#dev/debug}
  export BUILT
}
