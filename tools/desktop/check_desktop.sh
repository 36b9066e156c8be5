#!/usr/bin/env bash
# See .sdz files through the eyes of a Linux desktop: file type, GNOME's and Xfce's thumbnails, GNOME's sandbox.
#
#   bash tools/desktop/check_desktop.sh --change-this-system [FOLDER]
#
# Changes the machine that it runs on: installs packages of Debian (which stay), and with
# `sdz-convert desktop install --system` what it checks (which it removes again). Needs root, and pillow_sdz with its
# tests' packages in .venv, or the Python that $PYTHON names. Thumbnails go to FOLDER, by default ./desktop-thumbnails.
set -euo pipefail
if [ "${1:-}" != --change-this-system ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "${2:-desktop-thumbnails}"
out="$(cd "${2:-desktop-thumbnails}" && pwd)"
cd "$here/../.."
python="${PYTHON:-$PWD/.venv/bin/python}"
convert() { PYTHONPATH="$PWD" "$python" -m pillow_sdz.cli "$@"; }
work="$(mktemp -d)"
failures=0
title() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
skip() { echo "skipped: $*"; }
expect() { # WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then echo "$1: $2"; else fail "$1: $2, not $3"; fi
}

title "Packages of Debian"
packages="shared-mime-info xdg-utils libglib2.0-bin file bubblewrap tumbler gir1.2-gnomedesktop-3.0 python3-gi
    python3-numpy dbus dbus-bin libheif1 libwebp7"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get -qq update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >/dev/null
}
# shellcheck disable=SC2086
dpkg-query -W -f '${Package} ${Version}\n' $packages
/usr/bin/python3 -c 'import sys, numpy; print("Python", sys.version.split()[0], "numpy", numpy.__version__)'
/usr/bin/python3 -c 'import PIL; print("Pillow", PIL.__version__)' 2>/dev/null || echo "no Pillow"

title "Install"
listing() { find /usr /etc /opt -xdev -not -path "$work/*" | sort; md5sum /etc/magic 2>/dev/null || true; }
listing >"$work/before"
# also if something below stops the script
trap 'convert desktop uninstall --system >/dev/null || true; rm -rf "$work"' EXIT
convert desktop install --system
convert desktop status --system
convert desktop install --system # once more: nothing to do

samples="$work/samples"
PYTHONPATH="$PWD" "$python" "$here/make_samples.py" "$samples"
# Nothing of the user's own shall help: another home, with caches of its own.
export HOME="$work/home" XDG_CACHE_HOME="$work/home/.cache"
unset XDG_DATA_HOME XDG_CURRENT_DESKTOP DESKTOP_SESSION DISPLAY
mkdir -p "$HOME"

title "File types"
type_by_gio() { gio info -a standard::content-type "$1" | sed -n 's/.*content-type: //p'; }
for name in photo.sdz "no suffix" map.sdz; do
    wanted=image/x-sdz
    [ "$name" != map.sdz ] || wanted=application/zip
    expect "gio info, $name" "$(type_by_gio "$samples/$name")" "$wanted"
    expect "xdg-mime query filetype, $name" "$(xdg-mime query filetype "$samples/$name")" "$wanted"
    expect "the same on GNOME, $name" "$(XDG_CURRENT_DESKTOP=GNOME xdg-mime query filetype "$samples/$name")" "$wanted"
    expect "file --mime-type, $name" "$(file -b --mime-type "$samples/$name")" "$wanted"
done
file "$samples/photo.sdz"

namespaces=yes
bwrap --ro-bind / / --unshare-all true 2>"$work/bwrap" || namespaces="no: $(cat "$work/bwrap")"
title "GNOME's thumbnail factory, which runs the program in its own bubblewrap"
if [ "$namespaces" = yes ]; then
    /usr/bin/python3 "$here/gnome_factory.py" "$out" "$samples"/* || fail "GNOME's factory"
else
    skip "user namespaces are not allowed here ($namespaces)"
fi

title "The same binds by hand: gnome-desktop-thumbnail-script.c, add_bwrap"
sandboxed() { # INPUT FOLDER: runs the program of the entry, with a file that is called as GNOME calls it
    local dir merged=()
    for dir in bin lib lib64 sbin; do
        if [ -L "/$dir" ]; then merged+=(--symlink "usr/$dir" "/$dir"); elif [ -d "/$dir" ]; then merged+=(--ro-bind "/$dir" "/$dir"); fi
    done
    env -u HOME bwrap --ro-bind /usr /usr --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache "${merged[@]}" \
        --ro-bind-try /etc/alternatives /etc/alternatives --proc /proc --dev /dev --chdir / \
        --setenv GIO_USE_VFS local --unshare-all --die-with-parent \
        --bind "$2" /tmp --ro-bind "$1" /tmp/gnome-desktop-file-to-thumbnail.sdz \
        /usr/local/bin/sdz-thumbnailer -v -s 256 /tmp/gnome-desktop-file-to-thumbnail.sdz \
        /tmp/gnome-desktop-thumbnailer.png
}
if [ "$namespaces" = yes ]; then
    for path in "$samples"/*; do
        name="$(basename "$path" .sdz)"
        mkdir -p "$work/bound"
        echo "$name:"
        if sandboxed "$path" "$work/bound"; then
            [ "$name" != map ] || fail "a thumbnail of a ZIP archive"
            mv "$work/bound/gnome-desktop-thumbnailer.png" "$out/$name-bubblewrap.png"
        elif [ "$name" = map ] && [ -z "$(ls "$work/bound/"*.png 2>/dev/null)" ]; then
            echo "refused, as it should be"
        else
            fail "no thumbnail of $name in the sandbox"
        fi
    done
else
    skip "user namespaces are not allowed here ($namespaces)"
fi

title "Xfce's tumbler, over a D-Bus session of its own"
pictures=()
for path in "$samples"/*; do [ "$path" = "$samples/map.sdz" ] || pictures+=("$path"); done
dbus-run-session -- /usr/bin/python3 "$here/tumbler_queue.py" "$out" "${pictures[@]}" 2>"$work/tumbler" ||
    { cat "$work/tumbler"; fail "tumbler"; }

title "Thumbnails to look at are in $out"
ls "$out"

title "Uninstall"
convert desktop uninstall --system
listing >"$work/after"
if diff "$work/before" "$work/after"; then echo "nothing is left"; else fail "left behind, see above"; fi

echo "failures: $failures"
exit "$((failures > 0))"
