# What every script has that asks a host something: no program may take longer than $limit seconds, or read the script. What is not there is
# not said.

PATH=$PATH:/usr/sbin:/sbin:/usr/libexec
LC_ALL=C
export PATH LC_ALL
say() { [ -z "$2" ] || printf '%s %s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
# Some have no timeout, or one without -k: then a program may take as long as it likes, and multivm stops waiting.
if timeout -k 1 5 true 2>/dev/null; then
    run() { timeout -k 1 "$limit" "$@" 2>/dev/null </dev/null; }
else
    run() { "$@" 2>/dev/null </dev/null; }
fi

