#!/usr/bin/env python3
"""make-completions.py - completions for bash, zsh and fish, from what the command itself knows: its verbs, their options and operands.

usage: make-completions.py POME DIR     writes DIR/pome.bash, DIR/_pome, DIR/pome.fish
"""
import json
import os
import re
import subprocess
import sys

# The folder of machines, in any shell.
MACHINES = 'ls -1 "${POME_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/pome}/vms" 2>/dev/null | sed -n "s/\\.bundle$//p"'
FISH_HOME = '''set -l home $POME_HOME
    test -n "$home"; or set home (test -n "$XDG_DATA_HOME"; and echo $XDG_DATA_HOME; or echo $HOME/.local/share)/pome
    command ls -1 $home/vms 2>/dev/null | string replace -rf '\\.bundle$' \'\''''


def output(pome, *args):
    return subprocess.run([pome, *args], capture_output=True, text=True, check=True, env=dict(os.environ, POME_HOME="/nonexistent")).stdout


class Verb:
    def __init__(self, pome, row):
        self.name, self.help = row["name"], row["help"]
        self.options = []  # (long name, letter or "", argument or "", help)
        for line in output(pome, *self.name.split(), "--help").splitlines():
            m = re.match(r"  (?:-(.), |    )--(\S+)(?: (\S+))? +(.*)$", line)
            if m:
                letter, long, argument, text = m.groups()
                self.options.append((long, letter or "", argument or "", text))
        operands = re.sub(r"\[.*?\]|--\S+( [A-Z]+)?", " ", row["synopsis"][len(self.name):])
        self.machine = "NAME" in operands.split()[:1] or any(w.startswith("NAME") for w in operands.split()[:1])
        self.file = "FILE" in operands


def bash(verbs, words):
    out = ["# bash completion for pome(1); made from the command itself.", "_pome_machines()", "{", f"    {MACHINES}", "}", "", "_pome()", "{",
           '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} options= takes= machine= at=2',
           '    COMPREPLY=()', '    if [ "$COMP_CWORD" -eq 1 ]; then',
           f'        COMPREPLY=($(compgen -W "{" ".join(words)} help --help --version --quiet" -- "$cur"))', "        return", "    fi",
           '    case $verb in']
    groups = {}
    for v in verbs:
        if " " in v.name:
            groups.setdefault(v.name.split()[0], []).append(v.name.split()[1])
    for g, members in groups.items():
        out += [f'    {g})', '        if [ "$COMP_CWORD" -eq 2 ]; then', f'            COMPREPLY=($(compgen -W "{" ".join(members)}" -- "$cur"))',
                "            return", "        fi", '        verb="$verb ${COMP_WORDS[2]}"', "        at=3", "        ;;"]
    out += [f'    help) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$cur")); return ;;', "    esac", "    case $verb in"]
    for v in verbs:
        takes = "|".join(f"--{o[0]}" for o in v.options if o[2])
        out += [f'    "{v.name}") options="{" ".join("--" + o[0] for o in v.options)} --help" takes="|{takes}|"' + (" machine=1" if v.machine else "") + " ;;"]
    out += ["    esac", '    if [ -n "$takes" ] && [ "$prev" != "|" ] && [[ "$takes" == *"|$prev|"* ]]; then', '        COMPREPLY=($(compgen -f -- "$cur"))',
            '    elif [[ "$cur" == -* ]]; then', '        COMPREPLY=($(compgen -W "$options" -- "$cur"))',
            '    elif [ -n "$machine" ] && [ "$COMP_CWORD" -eq "$at" ]; then', '        COMPREPLY=($(compgen -W "$(_pome_machines)" -- "$cur"))',
            "    else", '        COMPREPLY=($(compgen -f -- "$cur"))', "    fi", "}", "complete -o filenames -F _pome pome", ""]
    return "\n".join(out)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_text(text):
    return text.replace(":", "\\:").replace("[", "\\[").replace("]", "\\]")


def zsh(verbs, words, group_help):
    out = ["#compdef pome", "# zsh completion for pome(1); made from the command itself.", "_pome_machines() {", "    local -a names",
           f"    names=(${{(f)\"$({MACHINES})\"}})", "    compadd -a names", "}", "", "_pome() {", "    local -a verbs", "    local verb=$words[2]", "    if (( CURRENT == 2 )); then", "        verbs=("]
    top = {v.name: v.help for v in verbs if " " not in v.name}
    for w in words:
        out.append("            " + quoted(f"{w}:{zsh_text(top.get(w) or group_help[w])}"))
    out += ["        )", "        _describe verb verbs", "        return", "    fi", "    case $verb in"]
    for g in group_help:
        out += [f"    {g})", "        if (( CURRENT == 3 )); then", "            verbs=("]
        out += ["                " + quoted(f"{v.name.split()[1]}:{zsh_text(v.help)}") for v in verbs if v.name.startswith(g + " ")]
        out += ["            )", "            _describe verb verbs", "            return", "        fi", '        verb="$verb $words[3]"', "        shift words", "        (( CURRENT-- ))", "        ;;"]
    out += ["    esac", "    shift words", "    (( CURRENT-- ))", "    case $verb in"]
    for v in verbs:
        specs = [quoted(f"--{long}[{zsh_text(text)}]" + (f":{argument}:_files" if argument else "")) for long, _, argument, text in v.options]
        specs += [quoted("1:machine:_pome_machines")] if v.machine else []
        out += [f"    {quoted(v.name)}) _arguments {' '.join(specs + [quoted('*:file:_files')])} ;;"]
    out += ["    esac", "}", "", '_pome "$@"', ""]
    return "\n".join(out)


def fish(verbs, words, group_help):
    out = ["# fish completion for pome(1); made from the command itself.", "function __pome_machines", "    " + FISH_HOME, "end", "",
           "function __pome_is --description 'the verb is this, of one or two words'", "    set -l given (commandline -opc)[2..-1]",
           '    test "$argv" = "$given[1..'"(count $argv)"']"', "end", "",
           "complete -c pome -f"]
    top = {v.name: v.help for v in verbs if " " not in v.name}
    for w in words:
        out.append(f"complete -c pome -n __fish_use_subcommand -a {w} -d {quoted(top.get(w) or group_help[w])}")
    for v in verbs:
        is_verb = quoted(f"__pome_is {v.name}")
        if " " in v.name:
            group, word = v.name.split()
            count = quoted(f"__pome_is {group}; and test (count (commandline -opc)) -eq 2")
            out.append(f"complete -c pome -n {count} -a {word} -d {quoted(v.help)}")
        for long, letter, argument, text in v.options:
            out.append(f"complete -c pome -n {is_verb} -l {long}" + (f" -s {letter}" if letter else "") + (" -r -F" if argument else "") + f" -d {quoted(text)}")
        if v.machine:
            here = quoted(f"__pome_is {v.name}; and test (count (commandline -opc)) -eq {len(v.name.split()) + 1}")
            out.append(f"complete -c pome -n {here} -a '(__pome_machines)' -d machine")
        if v.file:
            out.append(f"complete -c pome -n {is_verb} -F")
    return "\n".join(out) + "\n"


def main(pome, folder):
    verbs = [Verb(pome, row) for row in json.loads(output(pome, "help", "--json"))]
    words = list(dict.fromkeys(v.name.split()[0] for v in verbs))
    group_help = {w: f"{w}: " + " ".join(v.name.split()[1] for v in verbs if v.name.startswith(w + " ")) for w in words if any(v.name.startswith(w + " ") for v in verbs)}
    for name, text in (("pome.bash", bash(verbs, words)), ("_pome", zsh(verbs, words, group_help)), ("pome.fish", fish(verbs, words, group_help))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:3])
