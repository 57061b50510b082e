# shellcheck shell=bash disable=SC2034
# Shared by run.sh and test.sh: installs what is missing and sets the build folder. Sourced, not run.

set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

fail() {
    echo "error: $*" >&2
    exit 1
}

[ -n "${HOME:-}" ] || fail "set HOME: it says where Rust and the build folder live."

# Outside the clone, so that a fresh clone finds what an earlier one built.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/voco-workbench/target}"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

build_packages=(build-essential ca-certificates curl libwayland-dev pkg-config)
window_packages=(
    libegl1 libgl1 libvulkan1
    libx11-6 libx11-xcb1 libxcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon0 libxkbcommon-x11-0
    libwayland-client0 libwayland-cursor0 libwayland-egl1
)

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# install_packages NAME...: Debian packages, only those that are missing.
install_packages() {
    [ "$(uname -s)" = Linux ] || return 0
    local missing=() name
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "note: no apt-get here; if the build or the window fails, install the equivalents of: $*" >&2
        return 0
    fi
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0

    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "these packages are missing and there is no sudo; run as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "Installing: ${missing[*]}"
    "${as_root[@]}" apt-get update -q </dev/null ||
        fail "apt-get update failed; check the network, then run this script again."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null ||
        fail "apt-get could not install: ${missing[*]}"
}

# A driver for Vulkan: any for the window (a maker's own counts), Mesa's software renderer for the tests.
has_vulkan_driver() {
    compgen -G "/usr/share/vulkan/icd.d/*.json" >/dev/null || compgen -G "/etc/vulkan/icd.d/*.json" >/dev/null
}

# The toolchain that rust-toolchain.toml names, with the components that the checks need.
install_rust() {
    local channel have
    channel="$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)"
    if ! command -v rustup >/dev/null && command -v cargo >/dev/null; then
        # A toolchain from elsewhere, say from the distribution, will do if it is new enough.
        have="$(cargo --version | cut -d' ' -f2)"
        if [ "$(printf '%s\n%s\n' "$channel" "$have" | sort -V | head -n1)" = "$channel" ]; then
            return 0
        fi
        echo "cargo $have is older than $channel; installing rustup beside it."
    fi
    if ! command -v rustup >/dev/null; then
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y --no-modify-path --profile minimal --default-toolchain none ||
            fail "rustup could not be installed; install Rust $channel by hand, then run this script again."
        hash -r
    fi
    # With another HOME, the rustup on the PATH has its toolchains beside itself.
    local beside
    beside="$(dirname "$(dirname "$(dirname "$(command -v rustup)")")")/.rustup"
    if [ -z "${RUSTUP_HOME:-}" ] && [ ! -d "$HOME/.rustup/toolchains" ] && [ -d "$beside/toolchains" ]; then
        export RUSTUP_HOME="$beside"
    fi
    if ! rustup run "$channel" cargo clippy --version >/dev/null 2>&1 ||
        ! rustup run "$channel" cargo fmt --version >/dev/null 2>&1; then
        rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt ||
            fail "the Rust toolchain $channel could not be installed; check the network, then run this script again."
    fi
}
