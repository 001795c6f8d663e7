#!/bin/sh
# Adds to a directory with /usr/local/bin/walcast what a root file system needs to run the program: no shell, no packages.
#
#   root-filesystem.sh FOLDER
set -eu

root=$1
binary=$root/usr/local/bin/walcast

# Shared libraries and the loader, at the paths where the loader looks for them. ldd succeeds even if a library is missing.
libraries=$(ldd "$binary")
case $libraries in
*'not found'*)
    printf 'libraries of %s are missing:\n%s\n' "$binary" "$libraries" >&2
    exit 1
    ;;
esac
printf '%s\n' "$libraries" | grep -o '/[^ ]*' | while read -r library; do
    install -D "$(readlink -f "$library")" "$root$library"
done

# Certificates of public authorities, for sslrootcert=system, Kafka and the registry.
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

# Host names are resolved by /etc/hosts, then by DNS; glibc contains both resolvers.
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
printf 'walcast:x:65532:65532:walcast:/home/walcast:/sbin/nologin\n' > "$root/etc/passwd"
printf 'walcast:x:65532:\n' > "$root/etc/group"

install -d "$root/etc/walcast" "$root/home/walcast"
install -d -m 1777 "$root/tmp"
