#!/usr/bin/env bash
# Installs what is missing, then runs every check and every test. Arguments go to cargo nextest, for example a filter.
#
#   bash packaging/test.sh [ARGUMENT...]

# shellcheck source=packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

failed=()
step_ok=yes

# step NAME COMMAND...: runs on after a failure, so that one run shows all of them.
step() {
    local name="$1" start=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if "$@"; then
        step_ok=yes
        echo "== $name: done in $((SECONDS - start)) s"
    else
        echo "== $name: FAILED after $((SECONDS - start)) s"
        step_ok=no
        failed+=("$name")
    fi
}

install_packages "${build_packages[@]}" "${window_packages[@]}" mesa-vulkan-drivers xauth xvfb
install_rust
if ! command -v cargo-nextest >/dev/null; then
    # In a temporary build folder: it shares nothing with the workspace.
    env -u CARGO_TARGET_DIR cargo install --locked cargo-nextest ||
        fail "cargo-nextest could not be installed; check the network, then run this script again."
fi

# The tests compare pictures, and those are made on Mesa's software renderer unless the caller wants another driver.
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then
    for lavapipe in /usr/share/vulkan/icd.d/lvp_icd{".$(uname -m)",,.*}.json; do
        if [ -f "$lavapipe" ]; then
            # The second name is for Vulkan loaders before 1.3.207.
            export VK_DRIVER_FILES="$lavapipe" VK_ICD_FILENAMES="$lavapipe"
            break
        fi
    done
fi
export VOCO_REQUIRE_GPU="${VOCO_REQUIRE_GPU:-1}"

# On a machine without a screen, under a virtual one.
with_display() {
    if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xvfb-run >/dev/null; then
        xvfb-run -a "$@"
    else
        "$@"
    fi
}

step "format" cargo fmt --all --check
# The crates of other systems too: the layering test reads their manifests.
step "fetch" cargo fetch --locked
step "build" cargo build --release --workspace --all-targets --locked
[ "$step_ok" = yes ] || fail "the workspace does not build, so no test ran."
step "clippy" cargo clippy --release --workspace --all-targets --locked -- -D warnings
if command -v cargo-deny >/dev/null; then
    step "deny" cargo deny check licenses bans sources
else
    echo "== deny: skipped, cargo-deny is not installed"
fi
step "doc tests" cargo test --doc --release --workspace --locked
step "tests" with_display cargo nextest run --release --workspace --locked --no-fail-fast "$@"

if [ "${#failed[@]}" -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
