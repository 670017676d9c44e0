#!/bin/bash
# visit.sh COMMAND... -- LINE...: runs COMMAND (a machine with its console on standard input and output), logs in as root,
# types the lines one after another at the shell's prompt, shows everything, and ends with COMMAND's status once the
# last line (a poweroff, say) has ended it. 124 when an answer takes too long (VISIT_TIMEOUT seconds, 600).
set -u
timeout=${VISIT_TIMEOUT:-600}
command=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    command+=("$1")
    shift
done
shift

coproc VM { exec "${command[@]}"; }
pid=$VM_PID
exec {in}<&"${VM[0]}" {out}>&"${VM[1]}"
seen=

# Shows output until the text has been seen; fails after the time-out or at the end of the output.
await() {
    local deadline=$((SECONDS + timeout)) chunk status
    while [[ $seen != *"$1"* ]]; do
        chunk=
        IFS= read -r -t 0.2 -N 4096 -u "$in" chunk
        status=$?
        printf '%s' "$chunk"
        seen+=$chunk
        [ ${#seen} -le 8192 ] || seen=${seen: -8192}
        if [ $status -gt 0 ] && [ $status -le 128 ] && [ -z "$chunk" ]; then
            return 1
        fi
        if [ $SECONDS -ge $deadline ]; then
            printf '\nvisit.sh: "%s" did not appear within %s s\n' "$1" "$timeout" >&2
            kill "$pid"
            exit 124
        fi
    done
    seen=${seen#*"$1"}
}

type_line() {
    printf '%s\n' "$1" >&"$out"
}

prompt=${VISIT_PROMPT:-:~# }
[ "${VISIT_LOGIN-root}" = "" ] || { await 'login: ' && type_line "${VISIT_LOGIN-root}"; }
for line; do
    await "$prompt" || break
    type_line "$line"
done
await $'\x04never' || true
exec {out}>&-
wait "$pid"
status=$?
echo
exit $status
