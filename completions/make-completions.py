#!/usr/bin/env python3
"""make-completions.py - completions for bash, zsh and fish, from what the command itself knows: its verbs, their options and operands.

usage: make-completions.py POME SCHEMA DIR     writes DIR/pome.bash, DIR/_pome, DIR/pome.fish; SCHEMA: config.schema.json, for keys
"""
import json
import os
import re
import subprocess
import sys

# The folder of machines, in any shell; a machine's snapshots, of the word before.
VMS = '"${POME_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/pome}/vms"'
MACHINES = f'ls -1 {VMS} 2>/dev/null | sed -n "s/\\.bundle$//p"'
SNAPSHOTS = f'ls -1 {VMS}"/$1.bundle/Snapshots" 2>/dev/null | grep -vx Current'
FISH_HOME = '''set -l home $POME_HOME
    test -n "$home"; or set home (test -n "$XDG_DATA_HOME"; and echo $XDG_DATA_HOME; or echo $HOME/.local/share)/pome'''
FISH_MACHINES = FISH_HOME + '''
    command ls -1 $home/vms 2>/dev/null | string replace -rf '\\.bundle$' \'\''''
FISH_SNAPSHOTS = FISH_HOME + '''
    command ls -1 $home/vms/$argv[1].bundle/Snapshots 2>/dev/null | string match -v Current'''


def output(pome, *args):
    return subprocess.run([pome, *args], capture_output=True, text=True, check=True, env=dict(os.environ, POME_HOME="/nonexistent")).stdout


def operand_kinds(synopsis):
    """What stands where: machine, snapshot, key (of a configuration), file, or the words themselves; "" for what nobody can guess."""
    operands = re.sub(r"\[-[^\]]*(\[[^\]]*\])?[^\]]*\]|\[options\]|-\S+( [A-Z]+)?", " ", synopsis).replace("[", "").replace("]", "").split()
    kinds = {"SNAPSHOT": "snapshot", "KEY": "key", "FILE": "file", "FILE|FOLDER": "file", "A": "file", "B": "file"}
    return ["machine" if w.startswith("NAME") and not i else kinds.get(w, w if re.fullmatch(r"[a-z]+(\|[a-z]+)+", w) else "") for i, w in enumerate(operands)]


def keys_of(schema):
    """What `pome get` and `pome set` take: "memorySize", "boot.kernel"."""
    properties = json.load(open(schema, encoding="utf-8"))["properties"]
    return [k for name, p in properties.items() if name != "version" for k in ([name] + [f"{name}.{inner}" for inner in p.get("properties", {})])]


class Verb:
    def __init__(self, pome, row):
        self.name, self.help = row["name"], row["help"]
        self.options = []  # (long name, letter or "", argument or "", help)
        for line in output(pome, *self.name.split(), "--help").splitlines():
            m = re.match(r"  (?:-(.), |    )--(\S+)(?: (\S+))? +(.*)$", line)
            if m:
                letter, long, argument, text = m.groups()
                self.options.append((long, letter or "", argument or "", text))
        self.operands = operand_kinds(row["synopsis"][len(self.name):])


def bash(verbs, words, keys):
    out = ["# bash completion for pome(1); made from the command itself.", "_pome_machines()", "{", f"    {MACHINES}", "}", "", "_pome_snapshots()", "{", f"    {SNAPSHOTS}", "}", "",
           "_pome()", "{",
           '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} options= takes= operands= at=2',
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
        out += [f'    "{v.name}") options="{" ".join("--" + o[0] for o in v.options)} --help" takes="|{takes}|" operands=({" ".join(chr(39) + k + chr(39) for k in v.operands)}) ;;']
    out += ["    esac", '    if [ -n "$takes" ] && [ "$prev" != "|" ] && [[ "$takes" == *"|$prev|"* ]]; then',
            '        if [ "$prev" = --from-snapshot ]; then', '            COMPREPLY=($(compgen -W "$(_pome_snapshots "${COMP_WORDS[at]}")" -- "$cur"))',
            "        else", '            COMPREPLY=($(compgen -f -- "$cur"))', "        fi",
            '    elif [[ "$cur" == -* ]]; then', '        COMPREPLY=($(compgen -W "$options" -- "$cur"))', "    else", '        case ${operands[COMP_CWORD-at]} in',
            '        machine) COMPREPLY=($(compgen -W "$(_pome_machines)" -- "$cur")) ;;',
            '        snapshot) COMPREPLY=($(compgen -W "$(_pome_snapshots "$prev")" -- "$cur")) ;;',
            f'        key) COMPREPLY=($(compgen -W "{" ".join(keys)}" -- "$cur")) ;;', '        file) COMPREPLY=($(compgen -f -- "$cur")) ;;',
            '        *"|"*) COMPREPLY=($(compgen -W "${operands[COMP_CWORD-at]//|/ }" -- "$cur")) ;;', "        esac", "    fi", "}", "complete -o filenames -F _pome pome", ""]
    return "\n".join(out)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_text(text):
    return text.replace(":", "\\:").replace("[", "\\[").replace("]", "\\]")


def zsh(verbs, words, group_help, keys):
    actions = {"machine": "machine:_pome_machines", "snapshot": "snapshot:_pome_snapshots", "key": f"key:({' '.join(keys)})", "file": "file:_files", "": "word: "}
    out = ["#compdef pome", "# zsh completion for pome(1); made from the command itself.", "_pome_machines() {", "    local -a names",
           f"    names=(${{(f)\"$({MACHINES})\"}})", "    compadd -a names", "}", "",
           "_pome_snapshots() {", "    local -a names", "    set -- $line[1]", f"    names=(${{(f)\"$({SNAPSHOTS})\"}})", "    compadd -a names", "}", "", "_pome() {", "    local -a line", "    local -a verbs", "    local verb=$words[2]", "    if (( CURRENT == 2 )); then", "        verbs=("]
    top = {v.name: v.help for v in verbs if " " not in v.name}
    for w in words:
        out.append("            " + quoted(f"{w}:{zsh_text(top.get(w) or group_help[w])}"))
    out += ["        )", "        _describe verb verbs", "        return", "    fi", "    case $verb in"]
    for g in group_help:
        out += [f"    {g})", "        if (( CURRENT == 3 )); then", "            verbs=("]
        out += ["                " + quoted(f"{v.name.split()[1]}:{zsh_text(v.help)}") for v in verbs if v.name.startswith(g + " ")]
        out += ["            )", "            _describe verb verbs", "            return", "        fi", '        verb="$verb $words[3]"', "        shift words", "        (( CURRENT-- ))", "        ;;"]
    out += [f"    help) compadd {' '.join(words)}; return ;;", "    esac", "    shift words", "    (( CURRENT-- ))", "    case $verb in"]
    for v in verbs:
        specs = [quoted(f"--{long}[{zsh_text(text)}]" + (f":{argument}:" + ("_pome_snapshots" if long == "from-snapshot" else "_files") if argument else ""))
                 for long, _, argument, text in v.options]
        specs += [quoted(f"{i + 1}:" + (actions.get(kind) or f"word:({kind.replace('|', ' ')})")) for i, kind in enumerate(v.operands)]
        out += [f"    {quoted(v.name)}) _arguments {' '.join(specs)} ;;"]
    out += ["    esac", "}", "", '_pome "$@"', ""]
    return "\n".join(out)


def fish(verbs, words, group_help, keys):
    offers = {"machine": "(__pome_machines)", "key": " ".join(keys)}
    out = ["# fish completion for pome(1); made from the command itself.", "function __pome_machines", "    " + FISH_MACHINES, "end", "",
           "function __pome_snapshots", "    " + FISH_SNAPSHOTS, "end", "",
           "function __pome_is --description 'the verb is this, of one or two words'", "    set -l given (commandline -opc)[2..-1]", "    set -l n (count $argv)",
           '    test "$argv" = "$given[1..$n]"', "end", "",
           "complete -c pome -f"]
    top = {v.name: v.help for v in verbs if " " not in v.name}
    for w in words:
        out.append(f"complete -c pome -n __fish_use_subcommand -a {w} -d {quoted(top.get(w) or group_help[w])}")
    out.append(f"complete -c pome -n '__pome_is help; and test (count (commandline -opc)) -eq 2' -a {quoted(' '.join(words))}")
    for v in verbs:
        is_verb = quoted(f"__pome_is {v.name}")
        if " " in v.name:
            group, word = v.name.split()
            count = quoted(f"__pome_is {group}; and test (count (commandline -opc)) -eq 2")
            out.append(f"complete -c pome -n {count} -a {word} -d {quoted(v.help)}")
        for long, letter, argument, text in v.options:
            out.append(f"complete -c pome -n {is_verb} -l {long}" + (f" -s {letter}" if letter else "") + (f" -x -a '(__pome_snapshots (commandline -opc)[{len(v.name.split()) + 2}])'" if long == "from-snapshot" else " -r -F" if argument else "") + f" -d {quoted(text)}")
        first = len(v.name.split()) + 1
        for i, kind in enumerate(v.operands):
            here = quoted(f"__pome_is {v.name}; and test (count (commandline -opc)) -eq {first + i}")
            if kind == "file":
                out.append(f"complete -c pome -n {here} -F")
            elif kind:
                snapshots = f"(__pome_snapshots (commandline -opc)[{first + 1}])"
                out.append(f"complete -c pome -n {here} -a {quoted(snapshots if kind == 'snapshot' else offers.get(kind) or kind.replace('|', ' '))} -d {quoted('word' if '|' in kind else kind)}")
    return "\n".join(out) + "\n"


def main(pome, schema, folder):
    keys = keys_of(schema)
    verbs = [Verb(pome, row) for row in json.loads(output(pome, "help", "--json"))]
    words = list(dict.fromkeys(v.name.split()[0] for v in verbs))
    group_help = {w: f"{w}: " + " ".join(v.name.split()[1] for v in verbs if v.name.startswith(w + " ")) for w in words if any(v.name.startswith(w + " ") for v in verbs)}
    for name, text in (("pome.bash", bash(verbs, words, keys)), ("_pome", zsh(verbs, words, group_help, keys)), ("pome.fish", fish(verbs, words, group_help, keys))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:4])
