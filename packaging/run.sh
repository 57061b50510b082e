#!/usr/bin/env bash
# Installs what is missing, builds, and opens the window on the built-in sample CT.
#
#   bash packaging/run.sh [FILE...]

# shellcheck source=packaging/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    fail "no display: neither DISPLAY nor WAYLAND_DISPLAY is set; without a screen install the packages xvfb and xauth and run \"xvfb-run -a bash packaging/run.sh\"."
fi

packages=("${build_packages[@]}" "${window_packages[@]}")
has_vulkan_driver || packages+=(mesa-vulkan-drivers)
install_packages "${packages[@]}"
install_rust

# The whole workspace, as the tests build it: a part of it would be built with other features, a second time.
cargo build --release --workspace --locked
exec "$CARGO_TARGET_DIR/release/voco" --sample "$@"
